{#-
    Quantile of the standard normal distribution, Φ⁻¹, of a probability: a double column, or a number (it is repeated).
    Null outside of 0 < p < 1.

    Wichura's algorithm AS241 (PPND16); relative error below 1e-15 down to p = 1e-300.
-#}
{% macro lf_normal_quantile(p) -%}
    {%- set q = "(" ~ p ~ " - 0.5e0)" -%}
    {%- set r = "(0.180625e0 - " ~ q ~ " * " ~ q ~ ")" -%}
    {%- set tail = "sqrt(-ln(" ~ lf_double("case when " ~ q ~ " < 0 then " ~ p ~ " else 1e0 - " ~ p ~ " end") ~ "))" -%}
    {%- set near = "(" ~ tail ~ " - 1.6e0)" -%}
    {%- set far = "(" ~ tail ~ " - 5e0)" -%}
    {%- set a = [
        '3.3430575583588128105e4', '6.7265770927008700853e4', '4.5921953931549871457e4', '1.3731693765509461125e4',
        '1.9715909503065514427e3', '1.3314166789178437745e2', '3.3871328727963666080e0',
    ] -%}
    {%- set b = [
        '2.8729085735721942674e4', '3.9307895800092710610e4', '2.1213794301586595867e4', '5.3941960214247511077e3',
        '6.8718700749205790830e2', '4.2313330701600911252e1', '1e0',
    ] -%}
    {%- set c = [
        '2.27238449892691845833e-2', '2.41780725177450611770e-1', '1.27045825245236838258e0', '3.64784832476320460504e0',
        '5.76949722146069140550e0', '4.63033784615654529590e0', '1.42343711074968357734e0',
    ] -%}
    {%- set d = [
        '5.47593808499534494600e-4', '1.51986665636164571966e-2', '1.48103976427480074590e-1', '6.89767334985100004550e-1',
        '1.67638483018380384940e0', '2.05319162663775882187e0', '1e0',
    ] -%}
    {%- set e = [
        '2.71155556874348757815e-5', '1.24266094738807843860e-3', '2.65321895265761230930e-2', '2.96560571828504891230e-1',
        '1.78482653991729133580e0', '5.46378491116411436990e0', '6.65790464350110377720e0',
    ] -%}
    {%- set f = [
        '1.42151175831644588870e-7', '1.84631831751005468180e-5', '7.86869131145613259100e-4', '1.48753612908506148525e-2',
        '1.36929880922735805310e-1', '5.99832206555887937690e-1', '1e0',
    ] -%}
    case
        when {{ p }} > 0 and {{ p }} < 1 then case
            when abs({{ q }}) <= 0.425e0
                then {{ q }} * {{ lf_horner('2.5090809287301226727e3', a, r) }}
                    / {{ lf_horner('5.2264952788528545610e3', b, r) }}
            else sign({{ q }}) * case
                when {{ tail }} <= 5e0
                    then {{ lf_horner('7.74545014278341407640e-4', c, near) }}
                        / {{ lf_horner('1.05075007164441684324e-9', d, near) }}
                else {{ lf_horner('2.01033439929228813265e-7', e, far) }}
                    / {{ lf_horner('2.04426310338993978564e-15', f, far) }}
            end
        end
    end
{%- endmacro %}


{#- The normal quantile that a two-sided test at the project's level compares with: Φ⁻¹(1 - α/2). -#}
{% macro lf_two_sided_z() -%}
    ({{ lf_normal_quantile(lf_double(1 - lf_variable('alpha') / 2)) }})
{%- endmacro %}


{#- The normal quantile of the power that the project plans with. -#}
{% macro lf_power_z() -%}
    ({{ lf_normal_quantile(lf_double(lf_variable('power'))) }})
{%- endmacro %}
