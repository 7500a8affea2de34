"""What the charts say."""

MEASURES = {
    "completed": "Tickets",
    "worked_seconds": "Hours worked",
    "active_seconds": "Hours of active time",
    "mean_seconds": "Hours per ticket",
    "estimate_ratio": "Actual / estimate",
    "gap_alerts": "Gap alerts",
}
"""The measures of a trend, as axes and tooltips name them."""

BUCKETS = {"day": "Day", "week": "Week from", "month": "Month"}
AVERAGE = {"day": "Average of 7 days", "week": "Average of 4 weeks", "month": "Average of 3 months"}
TREND = "Trend"
ALL = "All"
OTHER = "Other"
OTHERS = "{count} other types"
PARTIAL = "Not a full period"
PARTIAL_MARK = "partial"

TICKET_TYPE = "Ticket type"
TICKETS = "Tickets"
HOURS = "Hours"
HOURS_WORKED = "Hours worked"
MINUTES = "Minutes"
DAY = "Day"

STEP = "{step} · {template}"
STEP_COLUMN = "Step"
MEDIAN = "Median"
MIDDLE_HALF = "25–75 %"
NINETIETH = "90 % within"
ESTIMATE = "Estimate"
RATIO = "Actual / estimate"
COMPLETED = "Completed"
WITHIN = "Within estimate"
OVER = "Over estimate ▲"
UNESTIMATED = "No estimate"

TREND_OF = "{measure} by {bucket}, {range}, stacked by ticket type."
TREND_OF_TOTAL = "{measure} by {bucket}, {range}."
TYPES_OF = "Tickets completed by ticket type, {range}."
STEPS_OF = "How long each step takes beside its estimate, {range}: middle half, median and 90th percentile."
HEAT_OF = "Hours worked on each day, {range}. Darker or brighter is more."
"""The descriptions that screen readers are given; {range} is as DateRange writes it."""
