"""What the page of the steps says."""

TITLE = "Steps"
TEMPLATE = "Template"
ALL = "All templates"
OF_TYPE = "Step times are kept by template and not by ticket type: these are of all ticket types."
WITHOUT_TYPE = "Leave the type out"
NONE = "No step was completed in this period."

CHART = "Durations against the estimate"
CHART_SUB = "From 25 % to 75 %, the median, 90 %, and the estimate."
CHART_MOST = "The {count} steps that took the most time; choose a template for all of its steps."
CHART_ALT = "Bars: durations of {count} steps against their estimates. The table has the figures."

FIGURES = "Figures"
FIGURES_SUB = "Percentiles are within 1/256 of the exact value. Over: more than {threshold} of the estimate."
STEP = "Step"
DONE = "Completed"
P25 = "25 %"
MEDIAN = "Median"
P75 = "75 %"
P90 = "90 %"
MEAN = "Average"
ESTIMATE = "Estimate"
RATIO = "Actual / est."
OVER = "Over"
FIRST_PASS = "First pass"

TRENDS = "Average time of each step"
TRENDS_SUB = {
    "day": "By day. What is not over is marked and in no verdict.",
    "week": "By week. What the period cuts or is not over is marked and in no verdict.",
    "month": "By month. What the period cuts or is not over is marked and in no verdict.",
}
COURSE = "Course"
COURSE_ALT = "From {first} to {last}"
LATEST = "Last full {bucket}"
BUCKETS = {"day": "day", "week": "week", "month": "month"}
VERDICT = "Trend"
VERDICTS = {
    "rising": "▲ taking longer",
    "falling": "▼ getting faster",
    "no evidence of change": "no evidence of change",
    "too few": "too few to say ({count}, 6 are needed)",
}
PARTIAL = "{bucket} (partial)"
BY_BUCKET = "Average time by {bucket}"
MOST = "The last {count} are in the table."
