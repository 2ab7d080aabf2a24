"""People about whom nothing is written: who asked to be forgotten, and whose data is restricted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from singer_program.errors import ProgramError
from singer_program.people_list import PeopleLists, open_to_others, read_list, settings_faults
from target_klaviyo_profiles.errors import ConfigurationError
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Reason, Rejected

FORGOTTEN, RESTRICTED = "forgotten", "restricted"
"""The codes of refusals, and what the settings of the lists begin with."""
KEY_SETTING = f"{FORGOTTEN}_key"
PATH_SETTINGS = {FORGOTTEN: f"{FORGOTTEN}_path", RESTRICTED: f"{RESTRICTED}_path"}

_REASONS = {
    FORGOTTEN: (
        "somebody whom it names asked to be forgotten",
        "Leave them out of what feeds this stream; who consented anew is taken off the list first.",
    ),
    RESTRICTED: (
        "the data of somebody whom it names is restricted: it may be kept, and nothing else",
        "Send the record again once the restriction is lifted.",
    ),
}


class People:
    """The lists of a run, as the settings name them; of nobody where they name none.

    Args:
        lists: The lists, by the code of a refusal.
        warnings: What should be told of their files.
    """

    def __init__(self, lists: PeopleLists | None = None, warnings: Collection[str] = ()) -> None:
        self._lists = lists
        self.warnings = tuple(warnings)

    def refusal(self, record: Mapping[str, object], apart_from: Collection[str] = ()) -> Rejected | None:
        """Why a record is not written, if somebody who is on a list is mentioned anywhere in it.

        Args:
            record: As it came: nothing in it need be of its kind.
            apart_from: Codes of the lists that do not count.
        """
        if self._lists is None or (listed := self._lists.mentioned(record, apart_from)) is None:
            return None
        detail, remedy = _REASONS[listed.name]
        return Rejected(Reason(listed.name, detail, remedy, anonymous=True), Key("line", listed.line))


def read_people(key: str | None, paths: Mapping[str, Path | None]) -> People:
    """The lists of some files.

    Args:
        key: That of their hashes.
        paths: By the code of a refusal.

    Raises:
        ConfigurationError: it is not known who is on them, and so nothing may be written.
    """
    if faults := settings_faults(KEY_SETTING, key, {PATH_SETTINGS[code]: path for code, path in paths.items()}):
        raise ConfigurationError("; ".join(faults))
    if key is None:
        return People()
    files = {code: path for code, path in paths.items() if path is not None}
    try:
        lists = {code: read_list(path, PATH_SETTINGS[code]) for code, path in files.items()}
    except ProgramError as error:
        raise ConfigurationError(str(error)) from error
    warnings = [
        f"the list of `{PATH_SETTINGS[code]}` can be read by others than its owner: chmod 600 {str(path)!r}"
        for code, path in files.items()
        if open_to_others(path)
    ]
    return People(PeopleLists(key, lists), warnings)
