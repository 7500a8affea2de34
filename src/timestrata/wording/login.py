"""What the login says."""

TITLE = "Log in"
TOKEN = "Token"
TOKEN_HINT = "It begins with timestrata_ and was printed once, by `timestrata token create`."
SUBMIT = "Log in"
LINK_HINT = "Or open the link that `timestrata serve` prints when it starts: it works once."
TOKEN_REFUSED = "This token is unknown, expired or revoked."
LINK_USED = "This login link is unknown, used or too old: `timestrata serve` prints a new one."
