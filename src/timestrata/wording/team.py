"""What the page of the team says."""

TITLE = "Team"
CARD = "People side by side"
SUB = (
    "By name, unless you choose a column. This is no ranking: tickets differ, and so do people's days. Nobody with "
    "fewer than {least} completed tickets is compared."
)
COLUMNS = {
    "name": "Person",
    "completed": "Tickets",
    "worked": "Hours worked",
    "mean": "Average time",
    "median": "Median time",
    "ratio": "Actual / estimate",
    "first_pass": "First pass",
    "gaps": "Gap alerts",
}
SORT = "Sort by {column}"
FEW = "Fewer than {least} completed tickets"
FEW_CELL = "too few"
NONE = "Nobody completed or worked on anything on these days."
EXPLAINED = (
    ("Average and median time", "Active time of a completed ticket, without pauses. Less is better."),
    ("Actual / estimate", "Up to 100 % is good, up to 120 % a warning. The line in the bar is at 100 %."),
    ("First pass", "The share of tickets in which no step was entered again. More is better."),
)
