"""What the page of one's own work says."""

TITLE = "My work"

WHO = "Whose work"
WHO_SUB = "Your token is nobody's in particular: say whose work is to be tracked."
WHO_SHOW = "Show"
READ_ONLY = "Your token does not allow to track the work of {user}."

RUNNING = "At work"
RUNNING_NONE = "Nothing is being worked on. Start a ticket, and its time counts from then on."
STATES = {"running": "running", "paused": "paused", "ended": "between two steps"}
STEP_COLUMNS = ("Step", "State", "Worked", "Estimate")
STEP_ACTION = "Start"
STEP_STATES = {"running": "running", "paused": "paused", "done": "worked on", "open": "not begun"}
SUMMARY = "{type}, {template}"
OF_ESTIMATE = "of {estimate} estimated"
SINCE = "begun {moment}"

PAUSE = "Pause"
RESUME = "Resume"
NEXT_STEP = "Next step: {step}"
COMPLETE = "Complete"
COMPLETE_SURE = {
    True: "One step has not begun. The ticket is completed without it.",
    False: "{count} steps have not begun. The ticket is completed without them.",
}
COMPLETE_YES = "Complete {ticket}"
CANCEL = "Cancel"
CANCEL_SURE = "It is never completed then. The time that was worked stays worked."
CANCEL_YES = "Cancel {ticket}"
START_STEP = "Start"
STEP_OF = "step {step} of {ticket}"

START = "Start a ticket"
TICKET = "Ticket"
TICKET_HINT = "Its key, such as TK-1."
TEMPLATE = "Template"
TEMPLATE_OPTION = "{name} ({type}, {steps} steps)"
START_SUBMIT = "Start"
NO_TEMPLATES = "There is no template yet. Put one:"
NO_TEMPLATES_COMMAND = 'timestrata template put Checks --type Bug --step "Analyse=20min" --step Test'

FORGOTTEN = "Left running"
FORGOTTEN_SUB = (
    "These sessions ran for so long without a sign of you that they were ended by themselves. They count once you say "
    "when the work ended."
)
FORGOTTEN_ONE = "{step}: begun {start}, ended by itself {end}"
CONFIRM = "It ended then"
ENDED_AT = "It ended at"
ENDED_ZONE = "in {zone}"
CORRECT = "Put this end"

DONE = "{ticket} is completed"
DONE_HELD = "{ticket} is completed, and counts once its session that was left running is settled."
DONE_COLUMNS = ("What", "Actual", "Estimate", "Of the estimate", "")
DONE_WHOLE = "The whole ticket"
LEVELS = {
    "within": "within the estimate",
    "over": "over the estimate, by less than a gap",
    "gap": "over the estimate: a gap",
}
NO_ESTIMATE = "no estimate"

REFUSED = {
    "wrong_state": "That does not go together with how the work stands, which is shown below. Nothing was changed.",
    "session_running": "Another session is running: pause or complete it first. Nothing was changed.",
    "unknown_template": "There is no such template any more. Nothing was changed.",
    "untracked_workflow": "There is no such ticket at work. Nothing was changed.",
    "unknown_session": "There is no such session. Nothing was changed.",
    "workflow_exists": "It was recorded before with other times. Nothing was changed.",
    "idempotency_key_reused": "The form was sent before with something else in it. Nothing was changed; try again.",
    "invalid_value": "A ticket needs a key of 1 to 255 characters that can be shown. Nothing was changed.",
    "invalid_argument": (
        "That time cannot be: it has to be after the session began, before other work did, and not in the future. "
        "Nothing was changed."
    ),
}

KEYS = "Keyboard"
KEYS_SUB = "On this page, while nothing is being typed:"
KEYS_LIST = (
    ("p", "pause or resume"),
    ("n", "go on to the next step"),
    ("c", "complete, after a question when steps have not begun"),
    ("s", "start another ticket"),
    ("?", "show this list"),
)
KEYS_ON = "Use these keys"
