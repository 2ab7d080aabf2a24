"""Names that `fields[<type>]` accepts, per resource type.

Source: Klaviyo's OpenAPI document of revision 2026-07-15. A nested attribute is named by its dotted path.
Where one type accepts different names on different endpoints there are several constants.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ACCOUNT = _names("""
    contact_information contact_information.default_sender_email
    contact_information.default_sender_name contact_information.organization_name
    contact_information.street_address contact_information.street_address.address1
    contact_information.street_address.address2 contact_information.street_address.city
    contact_information.street_address.country contact_information.street_address.region
    contact_information.street_address.zip contact_information.website_url id industry locale
    preferred_currency public_api_key test_account timezone
""")
ATTRIBUTION = _names("id")
EVENT = _names("datetime event_properties id timestamp uuid")
METRIC = _names("created id integration name updated")
EMBEDDED_PROFILE = _names("""
    created email external_id first_name id image last_event_date last_name locale location
    location.address1 location.address2 location.city location.country location.ip
    location.latitude location.longitude location.region location.timezone location.zip
    organization phone_number properties title updated
""")
FLOW = _names("archived created id name status trigger_type updated")
CONVERSATION = _names("channel id")
PROFILE = _names("""
    created email external_id first_name id image last_event_date last_name locale location
    location.address1 location.address2 location.city location.country location.ip
    location.latitude location.longitude location.region location.timezone location.zip
    organization phone_number predictive_analytics
    predictive_analytics.average_days_between_orders predictive_analytics.average_order_value
    predictive_analytics.churn_probability predictive_analytics.expected_date_of_next_order
    predictive_analytics.historic_clv predictive_analytics.historic_number_of_orders
    predictive_analytics.predicted_clv predictive_analytics.predicted_number_of_orders
    predictive_analytics.ranked_channel_affinity predictive_analytics.total_clv properties
    subscriptions subscriptions.email subscriptions.email.marketing
    subscriptions.email.marketing.can_receive_email_marketing
    subscriptions.email.marketing.consent subscriptions.email.marketing.consent_timestamp
    subscriptions.email.marketing.custom_method_detail subscriptions.email.marketing.double_optin
    subscriptions.email.marketing.last_updated subscriptions.email.marketing.list_suppressions
    subscriptions.email.marketing.method subscriptions.email.marketing.method_detail
    subscriptions.email.marketing.suppression subscriptions.email.open_tracking
    subscriptions.email.open_tracking.can_receive subscriptions.email.open_tracking.consent
    subscriptions.email.open_tracking.consent_timestamp
    subscriptions.email.open_tracking.created_timestamp
    subscriptions.email.open_tracking.last_updated subscriptions.email.open_tracking.metadata
    subscriptions.email.open_tracking.valid_until subscriptions.mobile_push
    subscriptions.mobile_push.marketing
    subscriptions.mobile_push.marketing.can_receive_push_marketing
    subscriptions.mobile_push.marketing.consent
    subscriptions.mobile_push.marketing.consent_timestamp subscriptions.sms
    subscriptions.sms.marketing subscriptions.sms.marketing.can_receive_sms_marketing
    subscriptions.sms.marketing.consent subscriptions.sms.marketing.consent_timestamp
    subscriptions.sms.marketing.last_updated subscriptions.sms.marketing.method
    subscriptions.sms.marketing.method_detail subscriptions.sms.transactional
    subscriptions.sms.transactional.can_receive_sms_transactional
    subscriptions.sms.transactional.consent subscriptions.sms.transactional.consent_timestamp
    subscriptions.sms.transactional.last_updated subscriptions.sms.transactional.method
    subscriptions.sms.transactional.method_detail subscriptions.whatsapp
    subscriptions.whatsapp.conversational subscriptions.whatsapp.conversational.can_receive
    subscriptions.whatsapp.conversational.consent
    subscriptions.whatsapp.conversational.consent_timestamp
    subscriptions.whatsapp.conversational.created_timestamp
    subscriptions.whatsapp.conversational.last_updated
    subscriptions.whatsapp.conversational.metadata
    subscriptions.whatsapp.conversational.phone_number
    subscriptions.whatsapp.conversational.valid_until subscriptions.whatsapp.marketing
    subscriptions.whatsapp.marketing.can_receive subscriptions.whatsapp.marketing.consent
    subscriptions.whatsapp.marketing.consent_timestamp
    subscriptions.whatsapp.marketing.created_timestamp
    subscriptions.whatsapp.marketing.last_updated subscriptions.whatsapp.marketing.metadata
    subscriptions.whatsapp.marketing.phone_number subscriptions.whatsapp.marketing.valid_until
    subscriptions.whatsapp.transactional subscriptions.whatsapp.transactional.can_receive
    subscriptions.whatsapp.transactional.consent
    subscriptions.whatsapp.transactional.consent_timestamp
    subscriptions.whatsapp.transactional.created_timestamp
    subscriptions.whatsapp.transactional.last_updated
    subscriptions.whatsapp.transactional.metadata
    subscriptions.whatsapp.transactional.phone_number
    subscriptions.whatsapp.transactional.valid_until title updated
""")
PUSH_TOKEN = _names("""
    background created enablement_status id metadata metadata.app_build metadata.app_id
    metadata.app_name metadata.app_version metadata.device_id metadata.device_model
    metadata.environment metadata.klaviyo_sdk metadata.manufacturer metadata.os_name
    metadata.os_version metadata.sdk_version platform recorded_date token vendor
""")
LIST = _names("created id name opt_in_process updated")
SEGMENT = _names("""
    created definition definition.condition_groups id is_active is_processing is_starred name
    updated
""")
PROFILE_BULK_IMPORT_JOB = _names("""
    completed_at completed_count created_at expires_at failed_count id started_at status
    total_count
""")
IMPORT_ERROR = _names("code detail id original_payload source source.pointer title")
TAG = _names("id name")
LIST_DETAIL = LIST | {"profile_count"}
MEMBER = PROFILE | {"joined_group_at"}
SEGMENT_DETAIL = SEGMENT | {"profile_count"}
CAMPAIGN_MESSAGE = _names("""
    created_at definition definition.channel definition.content definition.content.action_buttons
    definition.content.bcc_email definition.content.body definition.content.cc_email
    definition.content.dynamic_image definition.content.from_email definition.content.from_label
    definition.content.media_url definition.content.preview_text definition.content.reply_to_email
    definition.content.subject definition.content.title definition.kv_pairs definition.label
    definition.notification_type definition.options definition.options.badge
    definition.options.badge.badge_options definition.options.badge.badge_options.badge_config
    definition.options.badge.badge_options.set_from_property
    definition.options.badge.badge_options.value definition.options.badge.display
    definition.options.on_open definition.options.on_open.android_deep_link
    definition.options.on_open.ios_deep_link definition.options.on_open.type
    definition.options.on_open.web_url definition.options.play_sound definition.render_options
    definition.render_options.add_info_link definition.render_options.add_opt_out_language
    definition.render_options.add_org_prefix definition.render_options.shorten_links id send_times
    updated_at
""")
CAMPAIGN = _names("""
    archived audiences audiences.excluded audiences.included created_at id name scheduled_at
    send_options send_options.use_smart_sending send_strategy send_strategy.date
    send_strategy.datetime send_strategy.method send_strategy.options
    send_strategy.options.is_local send_strategy.options.send_past_recipients_immediately
    send_strategy.throttle_percentage send_time status tracking_options
    tracking_options.add_tracking_params tracking_options.custom_tracking_params
    tracking_options.is_tracking_clicks tracking_options.is_tracking_opens updated_at
""")
IMAGE = _names("format hidden id image_url name size updated_at")
EMBEDDED_TEMPLATE = _names("amp created editor_type html id name text updated")
ASSIGNED_CAMPAIGN_MESSAGE = _names("""
    channel content content.bcc_email content.body content.cc_email content.from_email
    content.from_label content.media_url content.preview_text content.reply_to_email
    content.subject created_at id label render_options render_options.add_info_link
    render_options.add_opt_out_language render_options.add_org_prefix render_options.shorten_links
    send_times updated_at
""")
CAMPAIGN_SEND_JOB = _names("id status")
TEMPLATE = _names("""
    amp created definition definition.body definition.body.id definition.body.properties
    definition.body.properties.css_class definition.body.properties.id definition.body.sections
    definition.body.styles definition.body.styles.background_color definition.body.styles.width
    definition.id definition.styles definition.template_id editor_type html id name text updated
""")
