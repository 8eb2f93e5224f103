//! Words of the webhooks' pages.

use super::words;

words! {
    WEBHOOKS_LEAD = "Each webhook is a URL that your CRM, help desk or script calls to send a WhatsApp message.",
        "Κάθε webhook είναι μια διεύθυνση που καλεί το CRM, το help desk ή το script σας για να στείλει μήνυμα WhatsApp.";
    NEW_WEBHOOK = "New webhook", "Νέο webhook";
    NO_WEBHOOKS = "There is no webhook yet.", "Δεν υπάρχει ακόμη webhook.";
    NO_WEBHOOKS_NEXT = "Create one, copy its URL into the program that should send, and try it with the form on its page.",
        "Δημιουργήστε ένα, αντιγράψτε τη διεύθυνσή του στο πρόγραμμα που θα στέλνει και δοκιμάστε το με τη φόρμα στη σελίδα του.";
    WEBHOOK_MADE = "The webhook is made. Copy its URL and try it below.",
        "Το webhook δημιουργήθηκε. Αντιγράψτε τη διεύθυνσή του και δοκιμάστε το παρακάτω.";
    WEBHOOK = "Webhook", "Webhook";
    WEBHOOK_N = "Webhook {id}", "Webhook {id}";
    URL = "URL", "Διεύθυνση URL";
    URL_SECRET = "Whoever has the URL can send. Keep it like a password.",
        "Όποιος έχει τη διεύθυνση μπορεί να στείλει. Φυλάξτε τη σαν κωδικό.";
    URL_HIDDEN = "Only owners see the URL.", "Τη διεύθυνση τη βλέπουν μόνο οι ιδιοκτήτες.";
    ON = "On", "Ενεργό";
    OFF = "Off", "Ανενεργό";
    SWITCH_ON = "Switch on", "Ενεργοποίηση";
    SWITCH_OFF = "Switch off", "Απενεργοποίηση";
    SWITCHED_ON = "The webhook takes calls again.", "Το webhook δέχεται ξανά κλήσεις.";
    SWITCHED_OFF = "The webhook is off: calls are answered with 403.",
        "Το webhook είναι ανενεργό: οι κλήσεις απαντώνται με 403.";
    NEW_URL = "New URL", "Νέα διεύθυνση";
    NEW_URL_WARNING = "The old URL stops at once, and every call to it fails with 404, unless you let it work for a while longer.",
        "Η παλιά διεύθυνση σταματά αμέσως και κάθε κλήση σε αυτή αποτυγχάνει με 404, εκτός αν την αφήσετε να λειτουργεί λίγο ακόμη.";
    GRACE = "The old URL", "Η παλιά διεύθυνση";
    GRACE_NONE = "stops at once", "σταματά αμέσως";
    GRACE_HOUR = "works for one more hour", "λειτουργεί για μία ώρα ακόμη";
    GRACE_DAY = "works for one more day", "λειτουργεί για μία ημέρα ακόμη";
    GRACE_WEEK = "works for one more week", "λειτουργεί για μία εβδομάδα ακόμη";
    MAKE_NEW_URL = "Make a new URL", "Δημιουργία νέας διεύθυνσης";
    URL_CHANGED = "The webhook has a new URL. Copy it to where the old one is used.",
        "Το webhook έχει νέα διεύθυνση. Αντιγράψτε τη όπου χρησιμοποιείται η παλιά.";
    OLD_URL_UNTIL = "The old URL works until", "Η παλιά διεύθυνση λειτουργεί έως";
    REMOVE_WEBHOOK = "Remove", "Αφαίρεση";
    REMOVE_WEBHOOK_WARNING = "Its URL stops for good. Messages that it took stay and are sent.",
        "Η διεύθυνσή του σταματά οριστικά. Όσα μηνύματα δέχτηκε μένουν και στέλνονται.";
    WEBHOOK_REMOVED = "The webhook is removed.", "Το webhook αφαιρέθηκε.";
    ACTIVATIONS = "Last activations", "Τελευταίες κλήσεις";
    ACTIVATIONS_LEAD = "The last 100 calls, accepted and refused, as they happen. The file has them whole.",
        "Οι τελευταίες 100 κλήσεις, δεκτές και απορριφθείσες, τη στιγμή που γίνονται. Το αρχείο τις έχει ολόκληρες.";
    OLDER_CALLS = "Older calls", "Παλαιότερες κλήσεις";
    NEWEST_CALLS = "Newest calls", "Νεότερες κλήσεις";
    OLDER_CALLS_GONE = "There are no older calls any more: only the last 100 are kept.",
        "Δεν υπάρχουν πια παλαιότερες κλήσεις: φυλάσσονται μόνο οι τελευταίες 100.";
    NO_ACTIVATIONS = "Nobody has called this webhook yet.", "Κανείς δεν έχει καλέσει ακόμη αυτό το webhook.";
    NO_ACTIVATIONS_NEXT = "Send a first message with the form above, or call the URL from your program.",
        "Στείλτε ένα πρώτο μήνυμα με την παραπάνω φόρμα ή καλέστε τη διεύθυνση από το πρόγραμμά σας.";
    DOWNLOAD_LOG = "Download log", "Λήψη αρχείου";
    LAST_CALL = "Last call", "Τελευταία κλήση";
    NEVER_CALLED = "never called", "καμία κλήση";
    CALLER = "Caller", "Από";
    ACCEPTED = "accepted", "δεκτή";
    REFUSED = "refused", "απορρίφθηκε";
    BODY = "Body", "Σώμα";
    BODY_REBUILT = "Body (rebuilt)", "Σώμα (ανακατασκευή)";
    BODY_GONE = "The contents were erased.", "Τα περιεχόμενα διαγράφηκαν.";
    WARNINGS = "Warnings", "Προειδοποιήσεις";
    TIME = "Time", "Ώρα";

    TRY_IT = "Try it", "Δοκιμή";
    TRY_LEAD = "Sends a real message and costs real credits. Below stands the same call for your own program.",
        "Στέλνει πραγματικό μήνυμα και χρεώνει πραγματικές μονάδες. Παρακάτω θα βρείτε την ίδια κλήση για το πρόγραμμά σας.";
    RECIPIENT_KIND = "Recipient", "Παραλήπτης";
    KIND_PHONE = "Phone number", "Αριθμός τηλεφώνου";
    KIND_CHAT_ID = "Chat id", "Αναγνωριστικό συνομιλίας";
    KIND_CHAT_NAME = "Chat name", "Όνομα συνομιλίας";
    KIND_JID = "JID", "JID";
    RECIPIENT = "To", "Προς";
    RECIPIENT_HINT = "With the country code, for example +30 210 1234567",
        "Με τον κωδικό χώρας, για παράδειγμα +30 210 1234567";
    TEXT = "Text", "Κείμενο";
    FILE_URL = "File link (optional)", "Σύνδεσμος αρχείου (προαιρετικά)";
    FILE_URL_HINT = "A link that downloads the file itself, at most 2 MiB",
        "Σύνδεσμος που κατεβάζει το ίδιο το αρχείο, έως 2 MiB";
    FILE_NAME = "File name", "Όνομα αρχείου";
    SAMPLE_TEXT = "Hello! This is a first message.", "Γειά σας! Αυτό είναι ένα πρώτο μήνυμα.";
    SEND_FROM = "Send from", "Αποστολή από";
    SEND_FROM_ANY = "the account that was connected last", "τον λογαριασμό που συνδέθηκε τελευταίος";
    SEND = "Send", "Αποστολή";
    SHOW_CALL = "Show the call", "Εμφάνιση κλήσης";
    CHECK_LINK = "Check the link", "Έλεγχος συνδέσμου";
    SENT_AS = "Accepted. The message is", "Έγινε δεκτό. Το μήνυμα είναι";
    TRY_REFUSED = "The webhook refused the call with {status}", "Το webhook απέρριψε την κλήση με {status}";
    LINK_GOOD = "The link downloads a file", "Ο σύνδεσμος κατεβάζει αρχείο";
    LINK_BAD = "The link does not download a file", "Ο σύνδεσμος δεν κατεβάζει αρχείο";
    LINK_MISSING = "Enter a file link first.", "Εισαγάγετε πρώτα έναν σύνδεσμο αρχείου.";
    LINK_UNKNOWN = "The link could not be checked", "Ο σύνδεσμος δεν μπόρεσε να ελεγχθεί";
    LINK_ADVICE_PAGE = "It leads to a web page, often a sharing page. Use the link behind its download button.",
        "Οδηγεί σε ιστοσελίδα, συχνά σελίδα κοινής χρήσης. Χρησιμοποιήστε τον σύνδεσμο πίσω από το κουμπί λήψης.";
    THE_CALL = "The same call elsewhere", "Η ίδια κλήση αλλού";
    CURL = "curl", "curl";
    JSON = "JSON", "JSON";
    CRM = "CRM settings", "Ρυθμίσεις CRM";
    CRM_LEAD = "In a CRM or automation tool add a \"webhook\" or \"HTTP request\" action with these settings:",
        "Σε ένα CRM ή εργαλείο αυτοματισμού προσθέστε ενέργεια «webhook» ή «HTTP request» με αυτές τις ρυθμίσεις:";
    CRM_METHOD = "Method", "Μέθοδος";
    CRM_HEADER = "Header", "Κεφαλίδα";
    CRM_BODY_TYPE = "Body type", "Τύπος σώματος";
    CRM_RAW = "raw JSON", "ακατέργαστο JSON";
    CRM_PLACEHOLDERS = "Put your CRM's own placeholders where the number and the text stand, for example {zoho} in Zoho, {hubspot} in HubSpot, {pipedrive} in Pipedrive.",
        "Βάλτε τα πεδία του CRM σας στη θέση του αριθμού και του κειμένου, για παράδειγμα {zoho} στο Zoho, {hubspot} στο HubSpot, {pipedrive} στο Pipedrive.";
    CRM_IDEMPOTENCY = "If your tool repeats failed calls, add the header Idempotency-Key with an id of the record: the same key never sends twice.",
        "Αν το εργαλείο σας επαναλαμβάνει αποτυχημένες κλήσεις, προσθέστε την κεφαλίδα Idempotency-Key με ένα αναγνωριστικό της εγγραφής: το ίδιο κλειδί δεν στέλνει ποτέ δύο φορές.";

    WHY_400 = "The call is not well formed. Mend what the sentence names; nothing was charged.",
        "Η κλήση δεν είναι σωστή. Διορθώστε αυτό που αναφέρει η πρόταση· δεν χρεώθηκε τίποτα.";
    WHY_402 = "The credits are used up. Ask your operator for more.", "Οι μονάδες τελείωσαν. Ζητήστε περισσότερες από τον διαχειριστή.";
    WHY_403 = "This webhook is switched off. Switch it on above.", "Αυτό το webhook είναι ανενεργό. Ενεργοποιήστε το παραπάνω.";
    WHY_404 = "The chat or the sending account that was named is not here.",
        "Η συνομιλία ή ο λογαριασμός αποστολής που δηλώθηκε δεν υπάρχει.";
    WHY_405 = "Call the URL with POST.", "Καλέστε τη διεύθυνση με POST.";
    WHY_409 = "The call is not clear: several chats have this name, no account can send, or the same key is under way.",
        "Η κλήση δεν είναι σαφής: πολλές συνομιλίες έχουν αυτό το όνομα, κανένας λογαριασμός δεν μπορεί να στείλει ή το ίδιο κλειδί είναι σε εξέλιξη.";
    WHY_413 = "The body is too large.", "Το σώμα είναι πολύ μεγάλο.";
    WHY_422 = "This Idempotency-Key was used with another body. Use a new key for a new message.",
        "Αυτό το Idempotency-Key χρησιμοποιήθηκε με άλλο σώμα. Χρησιμοποιήστε νέο κλειδί για νέο μήνυμα.";
    WHY_429 = "Too many calls in a short time. Wait as long as Retry-After says.",
        "Πάρα πολλές κλήσεις σε λίγο χρόνο. Περιμένετε όσο λέει το Retry-After.";
    WHY_503 = "The log could not take the call. Repeat it with the same Idempotency-Key.",
        "Το αρχείο δεν μπόρεσε να δεχτεί την κλήση. Επαναλάβετέ τη με το ίδιο Idempotency-Key.";
    WHY_OTHER = "The call was refused.", "Η κλήση απορρίφθηκε.";
}
