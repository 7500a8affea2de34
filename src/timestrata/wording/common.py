"""Strings that more than one page shows."""

PRODUCT = "Timestrata"
SKIP = "Skip to the content"
PAGES = "Pages"
OVERVIEW = "Overview"
TICKETS = "Tickets"
STEPS = "Steps"
GAPS = "Gaps"
TEAM = "Team"
WORK = "My work"
OPERATIONS = "Operations"
OPEN_GAPS = "{count} open gap alerts"

LIVE = "Live"
NOT_LIVE = "Not live"
THEME = "Theme"
THEME_SYSTEM = "System"
THEME_LIGHT = "Light"
THEME_DARK = "Dark"
LOG_OUT = "Log out"
TIMER = "To the work on {ticket}"
TIMER_STATES = {"running": "Running", "paused": "Paused"}
TIMER_STEP = "this step"
TIMER_TOTAL = "in all"
EVERYONE = "Everyone"

PERIOD = "Period"
RANGES = {
    "last_7_days": "7 days",
    "last_30_days": "30 days",
    "last_90_days": "90 days",
    "this_year": "This year",
    "all_time": "All time",
}
RANGE_WORDS = {
    "today": "Today",
    "yesterday": "Yesterday",
    "this_week": "This week",
    "last_week": "Last week",
    "last_7_days": "Last 7 days",
    "last_30_days": "Last 30 days",
    "last_90_days": "Last 90 days",
    "this_month": "This month",
    "last_month": "Last month",
    "this_quarter": "This quarter",
    "this_year": "This year",
    "last_year": "Last year",
    "last_12_months": "Last 12 months",
    "all_time": "All time",
}
ALL_TIME = "All time"
MOMENT_OF_ZONE = "{moment} ({zone})"
SINCE = "since {day}"
UNTIL = "until {day}"
FROM = "From"
TO = "To"
PERIOD_FIELDS = {"from": FROM, "to": TO, "range": PERIOD}
APPLY = "Apply"
FILTER = "Filter"
PERSON = "Person"
TICKET_TYPE = "Ticket type"
ALL_TYPES = "All types"
BUCKETS = {"day": "Day", "week": "Week", "month": "Month"}

AS_TABLE = "Show as table"
DOWNLOAD = "Download {what}"
CARD_FAILED = "This part could not be loaded."
AGAIN = "Try again"
NOTHING_YET = "Nothing is recorded yet. Record the first workflow:"
NOBODY_YET = "Nobody called {name} has recorded anything."
SHOW_EVERYONE = "Show everyone"
NOTHING_YET_COMMAND = "timestrata import workflows.jsonl"
EMPTY_PERIOD = "Nothing was completed or worked on {range}."
LATEST = "Show the 30 days up to {day}, the last day with work"
LAST_30_DAYS = "Show the last 30 days"
PERIOD_WRONG = "{field}: {found} cannot be shown. Wanted: {wanted}."
NONE = "–"
CLOSE = "Close"

ERROR = "This did not work"
FORBIDDEN = "Your token does not allow this page."
NOT_FOUND = "There is no such page."
HOME = "To the overview"
REQUEST_ID = "Request {id}"

BROWSER = {
    "live": LIVE,
    "connecting": "Connecting…",
    "reconnecting": "Reconnecting… figures from {time}",
    "paused": "Paused",
    "updated": "Figures updated",
    "chart_failed": "The picture could not be drawn; the table has its figures.",
    "failed": CARD_FAILED,
    "again": AGAIN,
    "gap_dismissed": "Gap alert of {ticket} dismissed.",
    "gap_restored": "Gap alert of {ticket} restored.",
    "gap_failed": "That was not done: the gap alert of {ticket} is as it was.",
    "undo": "Undo",
    "undo_label": "What was just done",
    "undo_hint": "Control Z takes it back.",
    "not_sent": "That did not reach the server. Try again.",
}
"""What the scripts of the pages say; a page carries it."""
