with

campaigns as (

    select * from {{ ref('stg_klaviyo__campaigns') }}

),

messages as (

    select * from {{ ref('stg_klaviyo__campaign_messages') }}

),

variations as (

    select * from {{ ref('stg_klaviyo__campaign_variations') }}

),

rank_variations as (

    select
        variations.*,
        row_number() over (partition by message_id order by created_at, variation_id) as variation_rank

    from variations

),

-- From revision 2026-10-15 on a message has its content in variations, and its campaign's status and time.
describe_messages as (

    select
        messages.message_id,
        messages.campaign_id,
        messages.status,
        messages.sent_at,
        messages.created_at,
        coalesce(rank_variations.channel, messages.channel) as channel,
        coalesce(rank_variations.template_id, messages.template_id) as template_id,
        coalesce(rank_variations.subject, messages.subject) as subject,
        coalesce(rank_variations.from_email, messages.from_email) as from_email,
        coalesce(rank_variations.from_name, messages.from_name) as from_name

    from messages
    left join rank_variations
        on
            messages.message_id = rank_variations.message_id
            and rank_variations.variation_rank = 1

),

rank_messages as (

    select
        describe_messages.*,
        row_number() over (
            partition by campaign_id
            order by
                case when sent_at is null then 1 else 0 end,
                sent_at,
                created_at,
                message_id
        ) as message_rank

    from describe_messages

),

-- What the campaign itself holds may be of before, where the account went over to the later revision.
described as (

    select
        ---------- ids
        campaigns.campaign_id,
        rank_messages.message_id,
        rank_messages.template_id,

        ---------- texts
        campaigns.campaign_name,
        coalesce(
            upper(substr(rank_messages.status, 1, 1)) || substr(rank_messages.status, 2),
            campaigns.status
        ) as status,
        coalesce(rank_messages.channel, campaigns.channel) as channel,
        rank_messages.subject,
        rank_messages.from_email,
        rank_messages.from_name,

        ---------- booleans
        campaigns.is_archived,

        ---------- timestamps
        campaigns.created_at,
        campaigns.scheduled_at,
        campaigns.updated_at,
        coalesce(rank_messages.sent_at, campaigns.sent_at) as sent_at,
        campaigns.landed_at

    from campaigns
    left join rank_messages
        on
            campaigns.campaign_id = rank_messages.campaign_id
            and rank_messages.message_rank = 1

)

select * from described
