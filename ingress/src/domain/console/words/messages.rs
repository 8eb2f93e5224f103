//! Words of messages: states, reasons, what holds one, what happened.

use super::words;

words! {
    MESSAGES_LEAD = "Everything that was accepted, newest first.", "Όλα όσα έγιναν δεκτά, τα νεότερα πρώτα.";
    SEARCH_MESSAGES = "Search by number, chat, message id, text or file name",
        "Αναζήτηση με αριθμό, συνομιλία, αναγνωριστικό, κείμενο ή όνομα αρχείου";
    ANY_STATE = "Any state", "Κάθε κατάσταση";
    ANY_ACCOUNT = "Any account", "Κάθε λογαριασμός";
    ACCOUNT = "Account", "Λογαριασμός";
    NO_MESSAGES = "No message was accepted yet.", "Δεν έχει γίνει δεκτό κανένα μήνυμα ακόμη.";
    NO_MESSAGES_NEXT = "Open a webhook and send a first one with its try-it form.",
        "Ανοίξτε ένα webhook και στείλτε το πρώτο με τη φόρμα δοκιμής.";
    NOTHING_FOUND = "No message matches.", "Κανένα μήνυμα δεν ταιριάζει.";
    NOTHING_FOUND_NEXT = "Try fewer letters, or another state.", "Δοκιμάστε λιγότερα γράμματα ή άλλη κατάσταση.";
    NOTHING_FOUND_YET = "Nothing found among the newest messages.", "Δεν βρέθηκε τίποτα στα νεότερα μηνύματα.";
    SEARCHING = "Searching further back …", "Αναζήτηση σε παλαιότερα …";
    SEARCH_ON = "The search looked through the newest messages. Search further back",
        "Η αναζήτηση κοίταξε τα νεότερα μηνύματα. Αναζήτηση σε παλαιότερα";
    MESSAGE = "Message", "Μήνυμα";
    MESSAGE_AS_OF = "This is the message as the log had it at {n}.", "Έτσι ήταν το μήνυμα στο αρχείο, στο {n}.";
    MESSAGE_NOW = "As it is now", "Όπως είναι τώρα";
    MESSAGE_ID = "Message id", "Αναγνωριστικό μηνύματος";
    TO = "To", "Προς";
    CREDITS_COL = "Credits", "Μονάδες";
    REFUNDED = "refunded {n}", "επιστράφηκαν {n}";
    FILE = "File", "Αρχείο";
    PRICE = "Price", "Τιμή";
    ACCEPTED_AT = "Accepted", "Έγινε δεκτό";
    PLACE_IN_QUEUE = "Place in the queue", "Θέση στην ουρά";
    HELD_BY = "Waits for", "Περιμένει";
    EXPECTED_AT = "Expected to go", "Αναμένεται να φύγει";
    NOT_KNOWN = "not known", "άγνωστο";
    PART_N = "Part {n}", "Μέρος {n}";
    TIMELINE = "Timeline", "Χρονολόγιο";
    CANCEL_MESSAGE = "Cancel this message", "Ακύρωση του μηνύματος";
    CANCEL_WARNING = "It is not sent, and its credits come back.", "Δεν θα σταλεί και οι μονάδες του επιστρέφονται.";
    CANCEL_ASKED = "The cancel is asked for. If sending has not begun, the message is cancelled within moments.",
        "Ζητήθηκε ακύρωση. Αν δεν έχει αρχίσει η αποστολή, το μήνυμα ακυρώνεται σε λίγες στιγμές.";
    CONTENT_GONE = "The contents of this message were erased.", "Τα περιεχόμενα αυτού του μηνύματος διαγράφηκαν.";
    PROVIDER_ID = "WhatsApp's id", "Αναγνωριστικό WhatsApp";
    RECORD = "Record", "Εγγραφή";

    STATE_QUEUED = "queued", "σε ουρά";
    STATE_SENDING = "sending", "αποστέλλεται";
    STATE_UNKNOWN = "unknown", "άγνωστο";
    STATE_SENT = "sent", "στάλθηκε";
    STATE_FAILED = "failed", "απέτυχε";
    STATE_DELIVERED = "delivered", "παραδόθηκε";
    STATE_READ = "read", "διαβάστηκε";
    STATE_CANCELLED = "cancelled", "ακυρώθηκε";

    HELD_NOTHING = "nothing: it may go at any moment", "τίποτα: μπορεί να φύγει ανά πάσα στιγμή";
    HELD_GAP = "the account's gap after its last message", "το κενό του λογαριασμού μετά το τελευταίο μήνυμα";
    HELD_RECIPIENT_GAP = "the gap between two messages to this recipient", "το κενό μεταξύ δύο μηνυμάτων στον ίδιο παραλήπτη";
    HELD_CAP = "the account's hourly or daily cap", "το ωριαίο ή ημερήσιο όριο του λογαριασμού";
    HELD_QUIET = "the end of the account's quiet hours", "το τέλος των ωρών ησυχίας του λογαριασμού";
    HELD_PUT_OFF = "another try: the last one was put off", "νέα προσπάθεια: η προηγούμενη αναβλήθηκε";
    HELD_PAUSED = "its account, which is paused", "τον λογαριασμό του, που είναι σε παύση";
    HELD_DISCONNECTED = "its account, which is disconnected: connect it to send on",
        "τον λογαριασμό του, που είναι αποσυνδεδεμένος: συνδέστε τον για να συνεχίσει";
    HELD_BLOCKED = "its account, which WhatsApp refuses: mend the account's settings",
        "τον λογαριασμό του, που τον αρνείται το WhatsApp: διορθώστε τις ρυθμίσεις του";
    HELD_REMOVED = "nothing that will come, since its account was removed: cancel it, or it expires",
        "τίποτα που θα έρθει, αφού ο λογαριασμός του αφαιρέθηκε: ακυρώστε το, αλλιώς θα λήξει";
    HELD_NOT_IN_DIRECTORY = "its account, which is not known yet where it would be sent: it will be soon",
        "τον λογαριασμό του, που δεν είναι ακόμη γνωστός εκεί όπου θα σταλεί: θα γίνει σύντομα";
    HELD_TIME_ZONE = "its account, whose quiet hours are in a time zone that is not known here: choose another one",
        "τον λογαριασμό του, που έχει ώρες ησυχίας σε ζώνη ώρας άγνωστη εδώ: επιλέξτε άλλη";
    HELD_BEHIND = "its turn: {n} messages stand before it", "τη σειρά του: προηγούνται {n} μηνύματα";
    HELD_OTHER = "{code}", "{code}";

    EVENT_ACCEPTED = "Accepted and charged", "Έγινε δεκτό και χρεώθηκε";
    EVENT_CANCEL_REQUESTED = "Cancel asked for", "Ζητήθηκε ακύρωση";
    EVENT_STARTED = "Sending began", "Άρχισε η αποστολή";
    EVENT_ENDED_SENT = "WhatsApp took it", "Το WhatsApp το δέχτηκε";
    EVENT_ENDED_UNKNOWN = "No answer: nobody knows yet whether it went out",
        "Καμία απάντηση: δεν είναι ακόμη γνωστό αν έφυγε";
    EVENT_ENDED_NOT_STARTED = "The try did not begin in time", "Η προσπάθεια δεν άρχισε εγκαίρως";
    EVENT_ENDED_FAILED = "WhatsApp refused it", "Το WhatsApp το αρνήθηκε";
    EVENT_PUT_OFF = "Put off, will be tried again", "Αναβλήθηκε, θα ξαναδοκιμαστεί";
    EVENT_PART_REFUSED = "A part could not be prepared", "Ένα μέρος δεν μπόρεσε να ετοιμαστεί";
    EVENT_EXPIRED = "Expired: it was held for too long", "Έληξε: κρατήθηκε πάρα πολύ";
    EVENT_CANCELLED = "Cancelled", "Ακυρώθηκε";
    EVENT_SENT = "WhatsApp says: sent", "Το WhatsApp αναφέρει: στάλθηκε";
    EVENT_DELIVERED = "Delivered", "Παραδόθηκε";
    EVENT_READ = "Read", "Διαβάστηκε";
    EVENT_FAILED = "WhatsApp says: failed", "Το WhatsApp αναφέρει: απέτυχε";
    LOOKED_UP = "Its answer was lost; found in WhatsApp's list of messages.", "Η απάντηση χάθηκε· βρέθηκε στη λίστα μηνυμάτων του WhatsApp.";
    EVENT_SETTLED_REFUND = "Nobody could say in time: counted as failed", "Κανείς δεν ήξερε εγκαίρως: μέτρησε ως αποτυχημένο";
    EVENT_SETTLED_CHARGE = "Nobody could say in time: counted as sent", "Κανείς δεν ήξερε εγκαίρως: μέτρησε ως απεσταλμένο";
    EVENT_REFUNDED = "Credits given back", "Οι μονάδες επιστράφηκαν";
    EVENT_KEY_USED = "Its Idempotency-Key was noted", "Καταγράφηκε το Idempotency-Key";

    REASON_NOT_A_NUMBER = "The recipient is not a phone number. Give 7 to 15 digits with the country code.",
        "Ο παραλήπτης δεν είναι αριθμός τηλεφώνου. Δώστε 7 έως 15 ψηφία με τον κωδικό χώρας.";
    REASON_NOT_SUPPORTED = "This account cannot send to this kind of address. Use a phone number or a group.",
        "Ο λογαριασμός δεν μπορεί να στείλει σε τέτοια διεύθυνση. Χρησιμοποιήστε αριθμό ή ομάδα.";
    REASON_NOT_ON_WHATSAPP = "The number is not on WhatsApp, or cannot be reached there.",
        "Ο αριθμός δεν είναι στο WhatsApp ή δεν είναι προσβάσιμος εκεί.";
    REASON_IS_SENDER = "The recipient is the sending account itself.", "Ο παραλήπτης είναι ο ίδιος ο λογαριασμός αποστολής.";
    REASON_NOT_ALLOWED = "This test account may not send to the number. Add it to the account's list at WhatsApp.",
        "Ο δοκιμαστικός λογαριασμός δεν μπορεί να στείλει στον αριθμό. Προσθέστε τον στη λίστα του λογαριασμού στο WhatsApp.";
    REASON_OPTED_OUT = "The person has stopped messages from this business.", "Ο παραλήπτης έχει σταματήσει τα μηνύματα αυτής της επιχείρησης.";
    REASON_EXPERIMENT = "WhatsApp withholds messages to this person for an experiment of its own.",
        "Το WhatsApp δεν παραδίδει μηνύματα σε αυτόν τον παραλήπτη λόγω δικού του πειράματος.";
    REASON_MARKETING = "WhatsApp's limit of marketing messages to this person is reached. Try another day.",
        "Συμπληρώθηκε το όριο διαφημιστικών μηνυμάτων του WhatsApp για τον παραλήπτη. Δοκιμάστε άλλη μέρα.";
    REASON_WINDOW = "The person last wrote more than 24 hours ago, so WhatsApp takes only a template message.",
        "Ο παραλήπτης έγραψε πριν από περισσότερες από 24 ώρες, οπότε το WhatsApp δέχεται μόνο πρότυπο μήνυμα.";
    REASON_REJECTED = "WhatsApp rejected the message.", "Το WhatsApp απέρριψε το μήνυμα.";
    REASON_MEDIA = "WhatsApp rejected the file: its format or contents are not supported.",
        "Το WhatsApp απέρριψε το αρχείο: η μορφή ή το περιεχόμενό του δεν υποστηρίζεται.";
    REASON_PROVIDER = "WhatsApp's server kept failing, so the message was given up.",
        "Ο διακομιστής του WhatsApp αποτύγχανε συνεχώς και το μήνυμα εγκαταλείφθηκε.";
    REASON_LINK_NOT_VALID = "The file's link is not valid. Give an http or https URL without user name and password.",
        "Ο σύνδεσμος του αρχείου δεν είναι έγκυρος. Δώστε διεύθυνση http ή https χωρίς όνομα χρήστη και κωδικό.";
    REASON_NOT_PUBLIC = "The file's link leads to an address that is not public. Put the file where everyone can download it.",
        "Ο σύνδεσμος οδηγεί σε μη δημόσια διεύθυνση. Βάλτε το αρχείο όπου μπορούν όλοι να το κατεβάσουν.";
    REASON_REDIRECTS = "The file's link is redirected more than 3 times. Use the link at the end of the chain.",
        "Ο σύνδεσμος ανακατευθύνεται περισσότερες από 3 φορές. Χρησιμοποιήστε τον τελικό σύνδεσμο.";
    REASON_LINK_REFUSED = "The file's server refused the download. Check that the link works without signing in.",
        "Ο διακομιστής του αρχείου αρνήθηκε τη λήψη. Ελέγξτε ότι ο σύνδεσμος λειτουργεί χωρίς σύνδεση.";
    REASON_WEB_PAGE = "The file's link leads to a web page instead of a file. Use a direct download link.",
        "Ο σύνδεσμος οδηγεί σε ιστοσελίδα και όχι σε αρχείο. Χρησιμοποιήστε σύνδεσμο άμεσης λήψης.";
    REASON_TOO_LARGE = "The file is larger than 2 MiB.", "Το αρχείο είναι μεγαλύτερο από 2 MiB.";
    REASON_EMPTY = "The file's link downloads an empty file.", "Ο σύνδεσμος κατεβάζει κενό αρχείο.";
    REASON_UNAVAILABLE = "The file could not be downloaded in 5 tries: its server did not answer or had errors.",
        "Το αρχείο δεν κατέβηκε σε 5 προσπάθειες: ο διακομιστής του δεν απαντούσε ή είχε σφάλματα.";
    REASON_EXPIRED = "The message was held for too long and expired.", "Το μήνυμα κρατήθηκε πάρα πολύ και έληξε.";
    REASON_CANCELLED = "The message was cancelled before it was sent.", "Το μήνυμα ακυρώθηκε πριν σταλεί.";
    REASON_UNKNOWN = "Nobody could say in time whether it went out, so it counts as not sent.",
        "Κανείς δεν μπόρεσε να πει εγκαίρως αν έφυγε, οπότε μετρά ως μη απεσταλμένο.";
    REASON_NOT_EXPLAINED = "WhatsApp gave no reason.", "Το WhatsApp δεν έδωσε λόγο.";
    REASON_ACCOUNT_HELD = "WhatsApp does not send for this account at present. Look at the account's state, then send the message again.",
        "Το WhatsApp δεν στέλνει προς το παρόν για αυτόν τον λογαριασμό. Δείτε την κατάστασή του και στείλτε ξανά το μήνυμα.";
}
