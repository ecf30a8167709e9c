use crate::AllowRule;
use crate::section::section;

section! {
    /// What the addresses that tenants set may lead to.
    Outbound, "Outgoing requests";

    /// Hosts and networks inside your own that tenants' webhooks and model servers may reach, separated
    /// by commas: `hooks.internal`, `10.0.0.7`, `10.0.0.0/8`. Not set: public addresses only.
    "METACHAT_OUTBOUND_ALLOW" => allow: Vec<AllowRule>;
}
