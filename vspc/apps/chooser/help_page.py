"""The keys of the chooser, in words. Pure."""

HELP = (
    "Up, Down     one console (^P, ^N)",
    "PgUp, PgDn   a page; Home, End the ends",
    "Enter        attach",
    "text         filter: name, address,",
    "             state, writer; or one of",
    "             state: writer: zone: port:",
    "             note: name: address:",
    "             (every word must match)",
    "Backspace    erase; ^W word, ^U all",
    "Esc          clear filter, marks; leave",
    "Left, Right  other lists: favourites,",
    "             recent ones, groups",
    "^F           favourite, or no longer",
    "^V           preview of the last lines",
    "^O, ^R       sort by the next; reverse",
    "Space        mark (^T within a filter)",
    "^A           mark all that match",
    "w, b, u      with marks: watch them,",
    "             broadcast, unmark all",
    "/            begin a filter with those",
    "^X           what is refused (admins)",
    "^C, ^D       leave      ^L redraw",
)
"""Lines of at most 40 columns."""
