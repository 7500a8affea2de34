"""What the page of the gap alerts says, and the rows of them on the overview."""

TITLE = "Gaps"
STATES = {"open": "Open", "dismissed": "Dismissed"}
KINDS = {"": "All", "workflow": "Whole tickets", "step": "Single steps"}
STATE_LABEL = "Which gap alerts"
KIND_LABEL = "Whole tickets or single steps"
LIST = {"open": "Open gap alerts", "dismissed": "Dismissed gap alerts"}
SUB = "Tickets, and steps of them, that took more than {threshold} of their estimate. The latest first."
NONE = {
    "open": "No gap alert of these days is open.",
    "dismissed": "No gap alert of these days was dismissed.",
}
NEXT = "Older ones"
FIRST = "To the latest"
