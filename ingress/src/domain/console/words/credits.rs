//! Words of credits and the audit.

use super::words;

words! {
    CREDITS_LEAD = "A message costs 1 credit, one with text and a file 2. What could not be sent is given back.",
        "Ένα μήνυμα κοστίζει 1 μονάδα, με κείμενο και αρχείο 2. Ό,τι δεν μπόρεσε να σταλεί επιστρέφεται.";
    AVAILABLE = "Available", "Διαθέσιμες";
    GRANTED_SUM = "Granted", "Χορηγήθηκαν";
    CONSUMED = "Consumed", "Καταναλώθηκαν";
    REFUNDED_SUM = "Refunded", "Επιστράφηκαν";
    LOW_NOW = "Fewer than {n} credits are left. Ask your operator for more before calls are refused.",
        "Απομένουν λιγότερες από {n} μονάδες. Ζητήστε περισσότερες πριν αρχίσουν να απορρίπτονται κλήσεις.";
    NONE_LEFT = "No credits are left: calls are refused with 402. Ask your operator for more.",
        "Δεν απομένουν μονάδες: οι κλήσεις απορρίπτονται με 402. Ζητήστε περισσότερες από τον διαχειριστή.";
    OVER_TIME = "Over time", "Στον χρόνο";
    RANGE = "Range", "Διάστημα";
    RANGE_HOUR = "Hour", "Ώρα";
    RANGE_DAY = "Day", "Ημέρα";
    RANGE_WEEK = "Week", "Εβδομάδα";
    RANGE_MONTH = "30 days", "30 ημέρες";
    BALANCE = "Balance", "Υπόλοιπο";
    PLOT_SAYS = "Balance and consumption in this range: from {first} to {last} credits, {consumed} consumed.",
        "Υπόλοιπο και κατανάλωση στο διάστημα: από {first} σε {last} μονάδες, καταναλώθηκαν {consumed}.";
    PLOT_LATER = "The plot appears when it can be drawn.", "Το διάγραμμα εμφανίζεται όταν μπορεί να σχεδιαστεί.";
    STATEMENT = "Statement", "Κίνηση";
    STATEMENT_LEAD = "The newest lines. The file has all of them.", "Οι νεότερες γραμμές. Το αρχείο τις περιέχει όλες.";
    DOWNLOAD_STATEMENT = "Download statement (CSV)", "Λήψη κίνησης (CSV)";
    FROM = "From", "Από";
    UNTIL = "Until", "Έως";
    NO_LINES = "No credits have moved yet.", "Δεν έχουν κινηθεί ακόμη μονάδες.";
    NO_LINES_NEXT = "The operator grants credits; then messages can be sent.",
        "Ο διαχειριστής χορηγεί μονάδες· μετά μπορούν να σταλούν μηνύματα.";
    WHAT = "What", "Τι";
    KIND_GRANT = "Grant", "Χορήγηση";
    KIND_CHARGE = "Charge", "Χρέωση";
    KIND_REFUND = "Refund", "Επιστροφή";
    REASON = "Reason", "Αιτία";

    AUDIT_LEAD = "Everything is an event in the log, and nothing in it is changed or removed. Move the slider to see how things stood.",
        "Τα πάντα είναι γεγονότα στο αρχείο και τίποτα σε αυτό δεν αλλάζει ούτε αφαιρείται. Μετακινήστε τον ρυθμιστή για να δείτε πώς ήταν.";
    AS_OF = "As of", "Στιγμή:";
    AS_OF_EXACT = "Or a record of the log, or a time", "Ή μια εγγραφή του αρχείου, ή μια ώρα";
    AS_OF_EXACT_HINT = "17 or 2026-11-29T10:00:00Z", "17 ή 2026-11-29T10:00:00Z";
    SHOW = "Show", "Εμφάνιση";
    AT_RECORD = "With everything up to record {n} of the log", "Με όλα έως την εγγραφή {n} του αρχείου";
    BALANCE_THEN = "Balance then", "Υπόλοιπο τότε";
    MESSAGES_THEN = "Messages then", "Μηνύματα τότε";
    MESSAGES_THEN_LEAD = "The 20 newest that had been accepted, each with its state at that moment.",
        "Τα 20 νεότερα που είχαν γίνει δεκτά, με την κατάστασή τους εκείνη τη στιγμή.";
    NO_MESSAGES_THEN = "No message had been accepted by then.", "Δεν είχε γίνει δεκτό κανένα μήνυμα έως τότε.";
    STATE_THEN = "State then", "Κατάσταση τότε";
    STATE_TODAY = "State today", "Κατάσταση σήμερα";
    VERIFICATION = "Verification", "Επαλήθευση";
    VERIFIED_LAST = "The last verification", "Η τελευταία επαλήθευση";
    VERIFIED_ALWAYS = "Checked all the time", "Συνεχής έλεγχος";
    VERIFIED_NEVER = "No verification has been recorded.", "Δεν έχει καταγραφεί καμία επαλήθευση.";
    VERIFIED_UNKNOWN = "Whether a verification was recorded is not known now.", "Δεν είναι γνωστό τώρα αν καταγράφηκε επαλήθευση.";
    VERIFIED_WELL = "everything up to record {n} holds together.", "όλα έως την εγγραφή {n} στέκουν.";
    VERIFIED_BROKEN = "{invariant} is broken at record {at}.", "το {invariant} παραβιάζεται στην εγγραφή {at}.";
    VERIFIED_LIVE = "The running ledger was compared with a replay, too, and equals it.",
        "Και το λογιστικό που τρέχει συγκρίθηκε με μια αναπαραγωγή και είναι ίσο.";
    VERIFIED = "Every record up to {n} has been checked as it was read: no contradiction.",
        "Κάθε εγγραφή έως την {n} ελέγχθηκε κατά την ανάγνωση: καμία αντίφαση.";
    CONTRADICTIONS = "{n} facts in the log cannot be true. Nothing is refunded for the workspaces concerned until a person has looked.",
        "{n} γεγονότα στο αρχείο δεν μπορεί να είναι αληθή. Δεν επιστρέφεται τίποτα στους αντίστοιχους χώρους μέχρι να το δει άνθρωπος.";
    OF_THIS_WORKSPACE = "In this workspace:", "Σε αυτόν τον χώρο:";
    LOG_DIGEST = "Digest of the log", "Σύνοψη του αρχείου";
    STATE_DIGEST = "Digest of all balances", "Σύνοψη όλων των υπολοίπων";
    VERIFY_YOURSELF = "The operator verifies all of it again from the log alone, and records the result, with",
        "Ο διαχειριστής τα επαληθεύει όλα ξανά από το αρχείο και μόνο, και καταγράφει το αποτέλεσμα, με";
    VERIFY_AWAY = "The ledger, which checks the log, does not answer now.", "Το λογιστικό, που ελέγχει το αρχείο, δεν απαντά τώρα.";
    NO_SUCH_POINT = "There is no such point of the log: give a record that exists, or a time in its past.",
        "Δεν υπάρχει τέτοιο σημείο στο αρχείο: δώστε υπαρκτή εγγραφή ή ώρα του παρελθόντος.";
}
