//! Words of chats and accounts.

use super::words;

words! {
    CHATS_LEAD = "People and groups with an id of their own. Calls name them by it; groups can only be reached so.",
        "Άτομα και ομάδες με δικό τους αναγνωριστικό. Οι κλήσεις τα ονομάζουν με αυτό· οι ομάδες είναι προσβάσιμες μόνο έτσι.";
    SEARCH_CHATS = "Search by name, id or JID", "Αναζήτηση με όνομα, αναγνωριστικό ή JID";
    CHAT_ID = "chat_id", "chat_id";
    GROUP = "group", "ομάδα";
    PERSON = "person", "άτομο";
    NO_CHATS = "There are no chats yet.", "Δεν υπάρχουν ακόμη συνομιλίες.";
    NO_CHATS_NEXT = "You can send to a phone number without one. Add a chat to address a group or a name.",
        "Μπορείτε να στείλετε σε αριθμό και χωρίς συνομιλία. Προσθέστε μία για ομάδα ή όνομα.";
    NO_CHAT_FOUND = "No chat matches.", "Καμία συνομιλία δεν ταιριάζει.";
    ADD_CHAT = "Add a chat", "Προσθήκη συνομιλίας";
    EDIT_CHAT = "Edit", "Επεξεργασία";
    EDIT_CHAT_TITLE = "Edit chat", "Επεξεργασία συνομιλίας";
    CHAT_ID_HINT = "1 to 64 letters, digits, _ and -; left empty, one is made", "1 έως 64 γράμματα, ψηφία, _ και -· αν μείνει κενό, δημιουργείται";
    CHAT_ADDRESS = "Phone number or JID", "Αριθμός τηλεφώνου ή JID";
    CHAT_ADDRESS_HINT = "+30 210 1234567, or 1203…@g.us for a group", "+30 210 1234567, ή 1203…@g.us για ομάδα";
    CHAT_SAVED = "The chat is saved.", "Η συνομιλία αποθηκεύτηκε.";
    CHAT_REMOVED = "The chat is removed.", "Η συνομιλία αφαιρέθηκε.";
    REMOVE_CHAT = "Remove", "Αφαίρεση";
    REMOVE_CHAT_WARNING = "Calls with this chat_id are refused from now on.", "Κλήσεις με αυτό το chat_id απορρίπτονται από τώρα.";
    NEEDS_ACCOUNT = "A chat belongs to a sending account. Add an account first.",
        "Μια συνομιλία ανήκει σε λογαριασμό αποστολής. Προσθέστε πρώτα λογαριασμό.";

    ACCOUNTS_LEAD = "WhatsApp numbers that send. Each sends one message at a time, at its own pace.",
        "Αριθμοί WhatsApp που στέλνουν. Καθένας στέλνει ένα μήνυμα τη φορά, με δικό του ρυθμό.";
    NO_ACCOUNTS = "There is no account yet, so nothing can be sent.", "Δεν υπάρχει ακόμη λογαριασμός, οπότε δεν μπορεί να σταλεί τίποτα.";
    NO_ACCOUNTS_NEXT = "Add one with the settings that Meta shows for your WhatsApp number.",
        "Προσθέστε έναν με τις ρυθμίσεις που δείχνει η Meta για τον αριθμό WhatsApp σας.";
    ADD_ACCOUNT = "Add an account", "Προσθήκη λογαριασμού";
    ACCOUNT_ADDED = "The account is added. Connect it, and it sends.", "Ο λογαριασμός προστέθηκε. Συνδέστε τον για να στέλνει.";
    PHONE = "Phone number", "Αριθμός τηλεφώνου";
    QUEUE = "Queue", "Ουρά";
    NEXT_SEND = "Next send", "Επόμενη αποστολή";
    NOTHING_WAITS = "nothing waits", "τίποτα σε αναμονή";
    HELD_OPEN_END = "held", "σε αναμονή";
    CONNECTED = "connected", "συνδεδεμένος";
    DISCONNECTED = "disconnected", "αποσυνδεδεμένος";
    PAUSED = "paused", "σε παύση";
    BLOCKED = "blocked", "αποκλεισμένος";
    PAUSED_UNTIL = "until", "έως";
    BLOCKED_NEXT = "WhatsApp refuses this account. Give its access token or settings again below.",
        "Το WhatsApp αρνείται αυτόν τον λογαριασμό. Δώστε ξανά παρακάτω το access token ή τις ρυθμίσεις.";
    CONNECT = "Connect", "Σύνδεση";
    DISCONNECT = "Disconnect", "Αποσύνδεση";
    DISCONNECT_WARNING = "Its queue waits until it is connected again. What waits longer than the limit expires and is refunded.",
        "Η ουρά του περιμένει μέχρι να συνδεθεί ξανά. Ό,τι περιμένει πέρα από το όριο λήγει και επιστρέφεται.";
    PAUSE = "Pause", "Παύση";
    CONNECTED_DONE = "The account is connected and sends.", "Ο λογαριασμός συνδέθηκε και στέλνει.";
    DISCONNECTED_DONE = "The account is disconnected. Its queue waits.", "Ο λογαριασμός αποσυνδέθηκε. Η ουρά του περιμένει.";
    PAUSED_DONE = "The account is paused.", "Ο λογαριασμός είναι σε παύση.";
    PURGE = "Cancel the whole queue", "Ακύρωση όλης της ουράς";
    PURGE_WARNING = "Every message that waits on this account is cancelled, and its credits come back.",
        "Κάθε μήνυμα που περιμένει σε αυτόν τον λογαριασμό ακυρώνεται και οι μονάδες του επιστρέφονται.";
    PURGED = "The cancel of the whole queue is asked for.", "Ζητήθηκε ακύρωση όλης της ουράς.";
    REMOVE_ACCOUNT = "Remove the account", "Αφαίρεση του λογαριασμού";
    REMOVE_ACCOUNT_WARNING = "It is not chosen any more, and what waits on it is not sent.",
        "Δεν επιλέγεται πλέον και ό,τι περιμένει σε αυτόν δεν στέλνεται.";
    ACCOUNT_REMOVED = "The account is removed.", "Ο λογαριασμός αφαιρέθηκε.";
    PACE = "Pace", "Ρυθμός";
    PACE_LEAD = "Between two messages the account waits a random time in this range. Empty limits are off.",
        "Μεταξύ δύο μηνυμάτων ο λογαριασμός περιμένει τυχαίο χρόνο σε αυτό το εύρος. Τα κενά όρια είναι ανενεργά.";
    GAP_LOW = "Gap from (seconds)", "Κενό από (δευτερόλεπτα)";
    GAP_HIGH = "Gap to (seconds)", "Κενό έως (δευτερόλεπτα)";
    HOURLY_CAP = "At most per hour", "Το πολύ ανά ώρα";
    DAILY_CAP = "At most per day", "Το πολύ ανά ημέρα";
    RECIPIENT_GAP = "To one recipient at most every (seconds)", "Στον ίδιο παραλήπτη το πολύ κάθε (δευτερόλεπτα)";
    QUIET_FROM = "Quiet from", "Ησυχία από";
    QUIET_TO = "Quiet until", "Ησυχία έως";
    TIME_ZONE = "Time zone", "Ζώνη ώρας";
    TIME_ZONE_HINT = "as Europe/Athens", "όπως Europe/Athens";
    WARM_FIRST = "Warm-up: first day", "Προθέρμανση: πρώτη ημέρα";
    WARM_MORE = "Warm-up: more each day", "Προθέρμανση: επιπλέον κάθε ημέρα";
    WARM_DAYS = "Warm-up: days", "Προθέρμανση: ημέρες";
    PACE_SAVED = "The pace is saved and holds from now on.", "Ο ρυθμός αποθηκεύτηκε και ισχύει από τώρα.";
    SETTINGS = "Settings at WhatsApp", "Ρυθμίσεις στο WhatsApp";
    SETTINGS_LEAD = "From your app in Meta's developer console. Secrets are stored encrypted and never shown again.",
        "Από την εφαρμογή σας στην κονσόλα προγραμματιστών της Meta. Τα μυστικά φυλάσσονται κρυπτογραφημένα και δεν εμφανίζονται ξανά.";
    PHONE_NUMBER_ID = "Phone number id", "Phone number id";
    ACCESS_TOKEN = "Access token", "Access token";
    APP_SECRET = "App secret", "App secret";
    VERIFY_TOKEN = "Verify token", "Verify token";
    BASE_URL = "Base URL", "Base URL";
    KEEP_SECRET = "Leave empty to keep the present one", "Αφήστε κενό για να μείνει το τωρινό";
    CALLBACK_URL = "Callback URL", "Callback URL";
    CALLBACK_HINT = "Enter it at Meta with the verify token, and subscribe to messages.",
        "Καταχωρίστε το στη Meta με το verify token και εγγραφείτε στα messages.";
    SETTINGS_SAVED = "The settings are saved.", "Οι ρυθμίσεις αποθηκεύτηκαν.";
    LINK_DEVICE = "Link by QR code", "Σύνδεση με κωδικό QR";
    LINK_DEVICE_NONE = "This account sends through WhatsApp's Cloud API and needs no code. For an account on a linked device the code to scan stands here.",
        "Αυτός ο λογαριασμός στέλνει μέσω του Cloud API του WhatsApp και δεν χρειάζεται κωδικό. Για λογαριασμό σε συνδεδεμένη συσκευή ο κωδικός εμφανίζεται εδώ.";
    CONNECTED_AT = "Connected", "Συνδέθηκε";
    TRANSPORT = "Transport", "Μεταφορά";
    SHOW_MESSAGES = "Its messages", "Τα μηνύματά του";
}
