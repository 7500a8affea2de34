"""What a report says: the file that is printed, kept or sent by e-mail."""

TITLE = "Time report"
SUBJECT = "{title}: {who}, {period}"
EVERYONE = "Everyone"
OF_TYPE = "Only tickets of the type {name}."
PERIOD_DAYS = "{range} ({count} days)"
PERIOD_DAY = "{range} (one day)"
COMPARED = "Changes are against the period of equal length before it: {range}."
NOT_COMPARED = "There is no period of equal length before this one, so no changes are shown."
MADE_ON = "Made on {day} (time zone {zone})."
EMPTY = "Nothing was completed or worked on in this period. Choose a longer one, such as the last 90 days."
KEY_FIGURES = "Key figures"
PAGE = "Page {page} of {pages}"

# Key figures ---------------------------------------------------------------------------------------------------------
COMPLETED = "Tickets completed"
MEAN = "Average time per ticket"
RATIO = "Actual / estimate"
WORKED = "Hours worked"
ARROWS = {"up": "▲", "down": "▼", "flat": "=", "none": ""}
VERDICTS = {"better": ", better", "worse": ", worse", "neutral": ""}
CHANGE = "{change}{verdict} (before: {before})"
UNCHANGED = "unchanged (before: {before})"
FROM_NOTHING = "before: {before}"
NOTHING_BEFORE = "nothing to compare it with"
LEVELS = ("within the estimates", "a little over the estimates", "over the estimates")

# Trend ---------------------------------------------------------------------------------------------------------------
TRENDS = {
    "day": "Tickets completed per day",
    "week": "Tickets completed per week",
    "month": "Tickets completed per month",
}
ONE_BUCKET = {"day": "1 full day", "week": "1 full week", "month": "1 full month"}
BUCKETS = {"day": "{count} full days", "week": "{count} full weeks", "month": "{count} full months"}
PER = {"day": "per day", "week": "per week", "month": "per month"}
VERDICT = "{measure}: {verdict}."
MEASURES = {
    "completed": "Tickets completed",
    "mean_seconds": "Average time per ticket",
    "worked_seconds": "Hours worked",
    "active_seconds": "Active time",
    "estimate_ratio": "Actual / estimate",
    "gap_alerts": "Gap alerts",
}
TOO_FEW = "too few for a verdict ({buckets}, 6 are needed)"
NO_EVIDENCE = "no evidence of change over {buckets} ({p})"
RISING = "rising by {slope} {per} over {buckets} (95 % between {low} and {high}, {p})"
FALLING = "falling by {slope} {per} over {buckets} (95 % between {low} and {high}, {p})"
P_VALUE = "p = {p}"
P_SMALL = "p < 0.001"
P_UNKNOWN = "p unknown"
PARTIAL_NOTE = {
    "day": "A day that is not over is marked and left out of the trend.",
    "week": "Weeks that the period cuts, or that are not over, are marked and left out of the trend.",
    "month": "Months that the period cuts, or that are not over, are marked and left out of the trend.",
}
PARTIAL = "{bucket} (partial)"
TREND_ALT = "Bar chart: {title}, stacked by ticket type. {verdict}"
TREND_TABLE = "The figures of the chart"

# Types, steps, hours -------------------------------------------------------------------------------------------------
TYPES = "By ticket type"
TYPES_ALT = "Bar chart: tickets completed by ticket type. The table has its figures."
STEPS = "Step durations against the estimate"
STEPS_NOTE = "The middle half of the times of each step, the median, and the time within which 90 % were done."
STEPS_MOST = "The chart shows the {count} steps that took the most time; the table has all of them."
STEPS_BY_TEMPLATE = "Step times are kept by template and not by ticket type, so this report of one type has none."
STEPS_NONE = "No step was completed in this period."
STEPS_ALT = "Chart of the durations of each step, from the 25th to the 90th percentile. The table has its figures."
HOURS = "Hours per day"
HOURS_TOTAL = "{hours} in total, the most on {day} ({most}). Darker is more."
HOURS_LAST = "The last {weeks} weeks of the period are shown."
HOURS_ALT = "Calendar of the hours worked on each day. {total}"
HOURS_TABLE = "The hours of each day"

# Gaps, people, recent tickets ----------------------------------------------------------------------------------------
GAPS = "Gap alerts"
GAPS_NONE = "No gap alert of this period is open."
GAPS_COUNT = "Tickets that took more than their estimate allows: {count}; {change}."
GAPS_MORE = "The latest {count} that are open; there are more."
PEOPLE = "People"
PEOPLE_MANY = "There are too many people ({count}) to set side by side."
PEOPLE_NOTE = "In the order of their names; with fewer than {least} completed tickets nothing is compared."
TOO_FEW_TO_COMPARE = "too few"
RECENT = "Recent tickets"
RECENT_NONE = "No completed ticket of this period is kept in detail."

# Tables --------------------------------------------------------------------------------------------------------------
BUCKET = {"day": "Day", "week": "Week from", "month": "Month"}
DAY = "Day"
WEEK = "Week from"
PERSON = "Person"
TICKET = "Ticket"
TICKET_TYPE = "Ticket type"
TEMPLATE = "Template"
STEP = "Step"
WHAT = "What"
DONE = "Completed"
HOURS_COLUMN = "Worked"
AVERAGE = "Average"
MEDIAN = "Median"
LOWER_QUARTER = "25 %"
UPPER_QUARTER = "75 %"
NINETIETH = "90 %"
ACTUAL = "Actual"
TIME = "Time"
ESTIMATE = "Estimate"
RATIO_COLUMN = "Actual / est."
ALERTS = "Gap alerts"
GAP_COLUMN = "Gap"
GAP_YES = "gap"
TOTAL = "Total"

# What the figures rest on --------------------------------------------------------------------------------------------
BASIS = "What the figures rest on"
BASIS_REVISION = "Revision {revision} of the history: while it is the same, so are the figures."
BASIS_RAW = "Every figure can be followed to recorded sessions."
BASIS_RAW_FROM = "From {day} on every figure can be followed to recorded sessions."
BASIS_SEALED = "What was completed up to {day} is archived; its figures are sealed, and verified against the archive."
BASIS_HELD_ONE = "1 tracked ticket waits for the true end of a session that was left running; it is in no figure yet."
BASIS_HELD = (
    "{count} tracked tickets wait for the true end of a session that was left running; they are in no figure yet."
)
CHANGED_MEANWHILE = "The history was changed while this report was made: its parts may differ by what was changed."

DEFINITIONS = "What the words mean"
DEFINED = (
    ("Completed", "Tickets whose workflow was completed in the period, on the local day of its end."),
    ("Average time per ticket", "Active time without pauses, over the completed tickets. Less is better."),
    (
        "Actual / estimate",
        "Active time of the completed tickets that have an estimate, over their estimates. Up to 100 % is good, "
        "up to 120 % a warning.",
    ),
    ("Hours worked", "Time worked on the days of the period, for completed tickets and others. No value is better."),
    ("Gap alert", "A ticket, or one of its steps, that took more than {threshold} of its estimate."),
    ("Percentiles", "Within 1/256 of the exact value. Half of the times are up to the median, 90 % up to the 90th."),
    (
        "Trend",
        "Rising or falling by the Mann-Kendall test (p < 0.05) over full days, weeks or months, from six on; "
        "the slope is Theil and Sen's.",
    ),
)  # fmt: skip
