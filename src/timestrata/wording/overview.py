"""What the overview says."""

TITLE = "Overview"
NOTHING_YET_HINT = "Try it with made-up data first:"
NOTHING_YET_DEMO = "timestrata demo"

GAPS_TICKETS = {True: "1 ticket", False: "{count} tickets"}
GAPS_STEPS = {True: "1 step", False: "{count} steps"}
GAPS_BOTH = " and "
GAPS_LINE_AFTER = "took more than {threshold} of the estimate in this period: open gap alerts."
EMPTY_HINT = "Nothing was completed or worked on in this period."
EMPTY_OF_TYPE = "Nothing of the type {name} was completed or worked on in this period."

# Key figures ---------------------------------------------------------------------------------------------------------
KPIS = {
    "completed": "Tickets completed",
    "mean": "Average time per ticket",
    "ratio": "Actual / estimate",
    "worked": "Hours worked",
}
WAYS = {
    "completed": "More is better",
    "mean": "Less is better",
    "ratio": "Up to 100 % is good, up to 120 % a warning",
    "worked": "No value is better",
}
ARROWS = {"up": "▲", "down": "▼", "flat": "■", "none": ""}
VERDICTS = {"better": "(better)", "worse": "(worse)", "neutral": ""}
VERSUS = "vs {before} before"
FROM_NOTHING = "from {before} before"
SAME = "as before"
BEFORE_IS = "Before: {range}."
AHEAD = "this period has not begun"
NO_PREVIOUS = "no previous period"
NOTHING_BEFORE = "nothing in the previous period"
LEVELS = {"good": "within the estimates", "warning": "a little over the estimates", "bad": "over the estimates"}
STILL_RUNNING = "The period is not over: {count} more days."
BY_TYPE = "{title} by ticket type"
NOW, BEFORE = "Now", "Before"
MORE_TYPES = "and {count} more"

# Cards ---------------------------------------------------------------------------------------------------------------
TRENDS = {
    "completed": {
        "day": "Tickets completed per day",
        "week": "Tickets completed per week",
        "month": "Tickets completed per month",
    },
    "worked_seconds": {
        "day": "Hours worked per day",
        "week": "Hours worked per week",
        "month": "Hours worked per month",
    },
}
TREND_SUB = {
    "day": "Stacked by ticket type, with the average of 7 days.",
    "week": "Stacked by ticket type, with the average of 4 weeks.",
    "month": "Stacked by ticket type, with the average of 3 months.",
}
TREND_NONE = "Nothing to draw in this period."
TREND_ALT = "Bars: {title}, stacked by ticket type. {verdict}"
MEASURE = "Measure"
MEASURES = {"completed": "Tickets", "worked_seconds": "Hours"}
BUCKET = "Bars"
BUCKETS = {"day": "Day", "week": "Week", "month": "Month"}
COARSER = {
    "week": "By day there would be more than {most} bars, so they are by week.",
    "month": "There would be more than {most} bars, so they are by month.",
}
PARTIAL = {
    "day": "A day that is not over is pale and in no average.",
    "week": "Weeks that the period cuts, or that are not over, are pale and in no average.",
    "month": "Months that the period cuts, or that are not over, are pale and in no average.",
}
PARTIAL_BUCKET = "{bucket} (partial)"
FEW = "Too few for a picture: the figures."
TOTAL = "Total"
MOVING = {"day": "Average of 7 days", "week": "Average of 4 weeks", "month": "Average of 3 months"}

TYPES = "By ticket type"
TYPES_BRIEF = "Tickets by ticket type"
RATIO = "Act. / est."
TYPES_SUB = "Choose a type to list its tickets."
TYPES_NONE = "No type had anything done in this period."
TYPES_ALT = "Bars: tickets completed by ticket type, the most {most}."
STEPS = "Step durations against the estimate"
STEPS_SUB = "From 25 % to 75 %, the median, 90 %, and the estimate."
STEPS_MOST = "The {count} steps that took the most time; the page of the steps has all."
STEPS_ALT = "Bars: durations of steps against their estimates. The table has the figures."
STEPS_NONE = "No step was completed in this period."
STEPS_OF_TYPE = "Step times are kept by template and not by ticket type, so one type has none."
STEPS_ALL = "Steps of all ticket types"
HOURS = "Hours per day"
HOURS_SUB = "Darker is more hours."
HOURS_LAST = "The last {weeks} weeks."
HOURS_ALT = "Calendar of the hours worked on each day, the most {most} on {day}. The table has all."
HOURS_NONE = "No hours were worked in this period."

GAPS = "Gap alerts"
GAPS_SUB = "Open, the latest first."
GAPS_NONE = "No gap alert of this period is open."
GAPS_ALL = "All gap alerts"
TEAM = "Team"
TEAM_SUB = "By name, for no ranking; with fewer than {least} tickets nothing is compared."
TEAM_NONE = "Nobody completed or worked on anything in this period."
TEAM_MORE = "{count} more people are on the page of the team."
TEAM_ALL = "The whole team"
FEW_TICKETS = "too few"
RECENT = "Recent tickets"
GAP = "gap alert"
RECENT_SUB = "The last that were completed."
RECENT_NONE = "No ticket of this period is kept in detail."
RECENT_ALL = "All tickets of the period"

REPORT = "The whole overview as"
REPORT_PDF = "PDF"
REPORT_HTML = "HTML"
