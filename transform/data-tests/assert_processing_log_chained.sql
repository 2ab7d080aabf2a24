-- These lines of the log of processing do not follow another one, or stand where another one does: lines are missing, were put in, or were written anew.
with

lines as (

    select * from {{ ref('fct_processing_log') }}

),

places as (

    select
        line_number,
        count(*) as row_count
    from lines
    group by line_number

)

select
    lines.line_number,
    lines.line_hash
from lines
inner join places on lines.line_number = places.line_number
left join lines as before on lines.previous_hash = before.line_hash
where
    places.row_count > 1
    or (lines.line_number > 1 and coalesce(before.line_number, 0) <> lines.line_number - 1)
    or (lines.line_number = 1 and before.line_number is not null)
