"""Files of Klaviyo's events, profiles and list members, as the streams that `tap-klaviyo-engagement` has."""
