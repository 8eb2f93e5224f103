//! Words of every page: frame, signing in, states, troubles, times.

use super::words;

words! {
    SKIP_TO_CONTENT = "Skip to the content", "Μετάβαση στο περιεχόμενο";
    MAIN_MENU = "Main menu", "Κύριο μενού";
    WORKSPACE = "Workspace", "Χώρος εργασίας";
    LANGUAGE = "Language", "Γλώσσα";
    THEME = "Colours", "Χρώματα";
    THEME_AUTO = "Automatic", "Αυτόματα";
    THEME_LIGHT = "Light", "Φωτεινά";
    THEME_DARK = "Dark", "Σκοτεινά";
    APPLY = "Apply", "Εφαρμογή";
    PREFERENCES = "Language and colours", "Γλώσσα και χρώματα";
    SIGN_IN = "Sign in", "Σύνδεση";
    SIGN_OUT = "Sign out", "Αποσύνδεση";
    SIGN_IN_LEAD = "Enter your access token. It came with your workspace, or an owner gave it to you.",
        "Εισαγάγετε το διακριτικό πρόσβασης. Το λάβατε μαζί με τον χώρο εργασίας ή σας το έδωσε ένας ιδιοκτήτης.";
    SIGN_IN_WHERE = "On a first start the tokens stand in quickstart.json in the data folder.",
        "Στην πρώτη εκκίνηση τα διακριτικά βρίσκονται στο quickstart.json, στον φάκελο δεδομένων.";
    TOKEN = "Access token", "Διακριτικό πρόσβασης";
    TOKEN_WRONG = "This token opens nothing. Check that it is whole and has not been revoked.",
        "Αυτό το διακριτικό δεν ανοίγει τίποτα. Ελέγξτε ότι είναι πλήρες και δεν έχει ανακληθεί.";
    SESSION_OVER = "Your session is over. Sign in again.", "Η συνεδρία σας έληξε. Συνδεθείτε ξανά.";
    SIGNED_OUT = "You are signed out.", "Έχετε αποσυνδεθεί.";
    OPERATOR = "Operator", "Διαχειριστής";
    OWNER = "Owner", "Ιδιοκτήτης";
    AUDITOR = "Auditor", "Ελεγκτής";
    READ_ONLY = "Read only", "Μόνο ανάγνωση";
    NAV_WEBHOOKS = "Inbound webhooks", "Εισερχόμενα webhook";
    NAV_MESSAGES = "Messages", "Μηνύματα";
    NAV_CHATS = "Chats", "Συνομιλίες";
    NAV_ACCOUNTS = "Accounts", "Λογαριασμοί";
    NAV_CREDITS = "Credits", "Μονάδες";
    NAV_AUDIT = "Audit", "Έλεγχος";
    NAV_ACCESS = "Access", "Πρόσβαση";
    NAV_INSTALLATION = "Installation", "Εγκατάσταση";
    AVAILABLE_SHORT = "{n} credits", "{n} μονάδες";
    LIVE_LOST = "Connection lost. Reconnecting…", "Η σύνδεση χάθηκε. Επανασύνδεση…";
    COPY = "Copy", "Αντιγραφή";
    COPIED = "Copied", "Αντιγράφηκε";
    SAVE = "Save", "Αποθήκευση";
    SEARCH = "Search", "Αναζήτηση";
    NEXT_PAGE = "Next page", "Επόμενη σελίδα";
    FIRST_PAGE = "First page", "Πρώτη σελίδα";
    DETAILS = "Details", "Λεπτομέρειες";
    CREATED = "Created", "Δημιουργήθηκε";
    ACTIONS = "Actions", "Ενέργειες";
    IN_TIME = "in {span}", "σε {span}";
    NOW = "now", "τώρα";
    UNIT_SECONDS = "s", "δ.";
    UNIT_MINUTES = "min", "λ.";
    UNIT_HOURS = "h", "ώ.";
    UNIT_DAYS = "d", "ημ.";
    DONE = "Done.", "Έγινε.";
    NOT_DONE = "That was not done", "Δεν έγινε";
    NOT_FOUND_TITLE = "There is nothing here", "Δεν υπάρχει τίποτα εδώ";
    NOT_FOUND_LEAD = "The address is wrong, the thing was removed, or it belongs to another workspace.",
        "Η διεύθυνση είναι λάθος, το στοιχείο αφαιρέθηκε ή ανήκει σε άλλον χώρο εργασίας.";
    FORBIDDEN_TITLE = "Your token may not do this", "Το διακριτικό σας δεν το επιτρέπει";
    FORBIDDEN_LEAD = "Ask an owner of the workspace to do it, or for a token with more rights.",
        "Ζητήστε το από έναν ιδιοκτήτη του χώρου εργασίας ή ζητήστε διακριτικό με περισσότερα δικαιώματα.";
    CROSS_SITE_TITLE = "This request came from another site", "Το αίτημα ήρθε από άλλον ιστότοπο";
    CROSS_SITE_LEAD = "Nothing was changed. Open the console itself and do it there.",
        "Δεν άλλαξε τίποτα. Ανοίξτε την ίδια την κονσόλα και κάντε το εκεί.";
    UNAVAILABLE_TITLE = "Not possible right now", "Δεν είναι δυνατό αυτή τη στιγμή";
    UNAVAILABLE_LEAD = "This page shows itself as soon as it can be read again. Nothing is lost: what was accepted is in the log.",
        "Η σελίδα θα εμφανιστεί μόλις μπορεί να διαβαστεί ξανά. Δεν χάθηκε τίποτα: ό,τι έγινε δεκτό βρίσκεται στο αρχείο καταγραφής.";
    TAKES_LONG = "The answer takes longer than usual.", "Η απάντηση αργεί περισσότερο από το συνηθισμένο.";
    BROKEN_TITLE = "Something is wrong on our side", "Κάτι δεν πάει καλά από την πλευρά μας";
    BROKEN_LEAD = "Tell your operator what you did and when.", "Πείτε στον διαχειριστή τι κάνατε και πότε.";
    GO_HOME = "Go to the first page", "Μετάβαση στην πρώτη σελίδα";
    LEDGER_AWAY = "The ledger does not answer. Messages are still taken and sent; figures come back with it.",
        "Το λογιστικό δεν απαντά. Τα μηνύματα συνεχίζουν να γίνονται δεκτά και να στέλνονται· τα στοιχεία θα επιστρέψουν μαζί του.";
    FIGURES_OLD = "The figures shown are {span} old.", "Τα στοιχεία που φαίνονται είναι {span} παλιά.";
    LEDGER_BEHIND = "The ledger is {n} records behind the log.", "Το λογιστικό είναι {n} εγγραφές πίσω από το αρχείο.";
    LEDGER_READING = "The ledger reads the log before it answers: {at} of {of} records.",
        "Το λογιστικό διαβάζει το αρχείο πριν απαντήσει: {at} από {of} εγγραφές.";
    TOO_MANY_LIVE = "Too many pages are open at once: this one does not update by itself.",
        "Είναι ανοιχτές πάρα πολλές σελίδες: αυτή δεν ενημερώνεται μόνη της.";

    ACCESS_LEAD = "Tokens open the API and this console. A token is shown once, when it is made.",
        "Τα διακριτικά ανοίγουν το API και αυτή την κονσόλα. Κάθε διακριτικό εμφανίζεται μία φορά, όταν δημιουργείται.";
    TOKENS = "Tokens", "Διακριτικά";
    NEW_TOKEN = "New token", "Νέο διακριτικό";
    NEW_TOKEN_IS = "The new token, shown this once. Keep it where you keep passwords.",
        "Το νέο διακριτικό, εμφανίζεται μόνο τώρα. Φυλάξτε το όπως τους κωδικούς σας.";
    LABEL = "Name", "Όνομα";
    LABEL_HINT = "For whom or what it is", "Για ποιον ή για τι είναι";
    ROLE = "Role", "Ρόλος";
    ROLE_OWNER_HINT = "everything in this workspace", "όλα σε αυτόν τον χώρο εργασίας";
    ROLE_AUDITOR_HINT = "reads messages, credits and activations", "διαβάζει μηνύματα, μονάδες και κλήσεις";
    REVOKE = "Revoke", "Ανάκληση";
    REVOKE_WARNING = "Whoever uses this token is out at once, here and in the API.",
        "Όποιος το χρησιμοποιεί αποκλείεται αμέσως, εδώ και στο API.";
    REVOKED = "The token is revoked.", "Το διακριτικό ανακλήθηκε.";
    WORKSPACE_SETTINGS = "Workspace", "Χώρος εργασίας";
    NAME = "Name", "Όνομα";
    UNKNOWN_POLICY = "When nobody can say whether a message went out",
        "Όταν κανείς δεν μπορεί να πει αν ένα μήνυμα στάλθηκε";
    POLICY_REFUND = "Give the credits back", "Επιστροφή των μονάδων";
    POLICY_CHARGE = "Count it as sent", "Να μετρήσει ως απεσταλμένο";
    LOW_BALANCE = "Warn below (credits, 0 for never)", "Προειδοποίηση κάτω από (μονάδες, 0 για ποτέ)";
    SAVED = "Saved.", "Αποθηκεύτηκε.";

    INSTALLATION_LEAD = "Every workspace of this installation, and how its services are.",
        "Όλοι οι χώροι εργασίας της εγκατάστασης και η κατάσταση των υπηρεσιών της.";
    WORKSPACES = "Workspaces", "Χώροι εργασίας";
    NO_WORKSPACES = "There is no workspace yet. Make the first one below.",
        "Δεν υπάρχει ακόμη χώρος εργασίας. Δημιουργήστε τον πρώτο παρακάτω.";
    NEW_WORKSPACE = "New workspace", "Νέος χώρος εργασίας";
    MAKE = "Create", "Δημιουργία";
    WORKSPACE_MADE = "The workspace is made. Give this token to its owner; it is shown this once.",
        "Ο χώρος εργασίας δημιουργήθηκε. Δώστε αυτό το διακριτικό στον ιδιοκτήτη του· εμφανίζεται μόνο τώρα.";
    GRANT = "Grant credits", "Χορήγηση μονάδων";
    GRANT_CREDITS = "Credits", "Μονάδες";
    GRANT_REASON = "Reason", "Αιτιολογία";
    GRANT_REASON_HINT = "It stands in the statement", "Εμφανίζεται στην κίνηση";
    GRANTED = "The credits are granted.", "Οι μονάδες χορηγήθηκαν.";
    WAITING = "Waiting", "Σε αναμονή";
    SERVICES = "Services", "Υπηρεσίες";
    SERVICE = "Service", "Υπηρεσία";
    STATE = "State", "Κατάσταση";
    PROCESSES = "Processes", "Διεργασίες";
    WHAT_IT_SAYS = "What it says", "Τι αναφέρει";
    WELL = "well", "καλά";
    SILENT = "does not answer", "δεν απαντά";
    NOT_READY = "not ready", "όχι έτοιμο";
    LOG_AT = "{n} records", "{n} εγγραφές";
    LOG_AWAY = "the broker is not connected", "ο μεσολαβητής δεν είναι συνδεδεμένος";
    LEDGER_AT = "at record {n}, up to date", "στην εγγραφή {n}, ενημερωμένο";
    LEDGER_LAG = "{n} records behind, {span} old", "{n} εγγραφές πίσω, παλιό κατά {span}";
    DISPATCHER_AT = "{n} of {of} shares of the accounts, {m} messages in memory",
        "{n} από {of} μερίδια λογαριασμών, {m} μηνύματα στη μνήμη";
    SOME_ANSWER = "{n} of {of} answer", "Απαντούν {n} από {of}";
    INGRESS_AT = "takes calls", "δέχεται κλήσεις";
    OLDEST_DUE = "Oldest message that is due", "Παλαιότερο μήνυμα που έπρεπε να έχει φύγει";
    OLDEST_DUE_NONE = "Nothing is late.", "Τίποτα δεν έχει καθυστερήσει.";
    OLDEST_DUE_IS = "An account of {workspace} should have sent {span} ago.",
        "Ένας λογαριασμός του χώρου {workspace} έπρεπε να έχει στείλει πριν από {span}.";
    OLDEST_DUE_PART = "Only the {n} newest workspaces are looked at.", "Εξετάζονται μόνο οι {n} νεότεροι χώροι.";
    OLDEST_DUE_UNKNOWN = "Not known: ledger or dispatcher do not answer.",
        "Άγνωστο: το λογιστικό ή ο αποστολέας δεν απαντούν.";
}
