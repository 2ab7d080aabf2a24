"""What each operation does: one handler, known by the key of its entry in the endpoint table.

Everything that can be declared (path, limits, scopes, paging, filters, sort, includes, fieldsets) is read from
`klaviyo_wire.endpoints`; a handler runs only after the request has passed those checks. To add an operation: its
entry there, a function here, a line below.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from klaviyo_sandbox.operations import (
    accounts,
    campaigns,
    consent,
    events,
    flows,
    forms,
    groups,
    imports,
    metrics,
    omnichannel,
    profiles,
    reports,
    suppressions,
    tags,
    templates,
    webhooks,
)
from klaviyo_wire.endpoints import OMNICHANNEL

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Handler

OPERATIONS: Mapping[str, Handler] = MappingProxyType(
    {
        handler.__name__: handler
        for handler in (
            accounts.get_accounts,
            accounts.get_account,
            events.get_events,
            events.get_event,
            events.create_event,
            events.bulk_create_events,
            metrics.get_metrics,
            metrics.get_metric,
            metrics.query_metric_aggregates,
            reports.query_campaign_values,
            reports.query_flow_values,
            profiles.get_profiles,
            profiles.get_profile,
            profiles.create_profile,
            profiles.update_profile,
            profiles.create_or_update_profile,
            profiles.request_profile_deletion,
            consent.bulk_subscribe_profiles,
            consent.bulk_unsubscribe_profiles,
            suppressions.bulk_suppress_profiles,
            suppressions.get_bulk_suppress_profiles_jobs,
            suppressions.get_bulk_suppress_profiles_job,
            suppressions.bulk_unsuppress_profiles,
            suppressions.get_bulk_unsuppress_profiles_jobs,
            suppressions.get_bulk_unsuppress_profiles_job,
            imports.bulk_import_profiles,
            imports.get_bulk_import_profiles_jobs,
            imports.get_bulk_import_profiles_job,
            imports.get_errors_for_bulk_import_profiles_job,
            imports.get_profiles_for_bulk_import_profiles_job,
            imports.get_profile_ids_for_bulk_import_profiles_job,
            imports.get_list_for_bulk_import_profiles_job,
            groups.get_lists,
            groups.get_list,
            groups.create_list,
            groups.get_profiles_for_list,
            groups.get_profile_ids_for_list,
            groups.add_profiles_to_list,
            groups.remove_profiles_from_list,
            groups.get_segments,
            groups.get_segment,
            groups.get_profiles_for_segment,
            groups.get_profile_ids_for_segment,
            campaigns.get_campaigns,
            campaigns.get_campaign,
            campaigns.create_campaign,
            campaigns.get_messages_for_campaign,
            campaigns.get_campaign_message,
            campaigns.update_campaign_message,
            campaigns.assign_template_to_campaign_message,
            campaigns.get_template_for_campaign_message,
            campaigns.send_campaign,
            campaigns.get_campaign_send_job,
            templates.get_templates,
            templates.get_template,
            templates.create_template,
            templates.update_template,
            templates.delete_template,
            templates.render_template,
            templates.clone_template,
            flows.get_flows,
            flows.get_flow,
            flows.get_actions_for_flow,
            flows.get_flow_action,
            flows.get_flow_action_messages,
            flows.get_flow_message,
            tags.get_tags,
            tags.get_tag_groups,
            forms.get_forms,
            webhooks.get_webhooks,
        )
    }
    | {
        f"{handler.__name__}@{OMNICHANNEL}": handler
        for handler in (
            omnichannel.get_campaigns,
            omnichannel.get_campaign,
            omnichannel.get_campaign_audiences_for_campaign,
            omnichannel.get_campaign_audience,
            omnichannel.get_campaign_messages,
            omnichannel.get_campaign_message,
            omnichannel.get_messages_for_campaign,
            omnichannel.get_variations_for_campaign_message,
            omnichannel.get_campaign_variation,
        )
    }
)
