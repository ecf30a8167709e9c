use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::section::section;

section! {
    /// What models cost, and when another one is asked. `docs/costs.md` says how it works.
    Spending, "Costs, fallbacks and circuits";

    /// A JSON file with prices that replace those that come with the program, or add to them. Read
    /// at the start. Not set: the prices that come with the program.
    "METACHAT_PRICES_FILE" => prices_file: Option<PathBuf>;

    /// Seconds that an answer may take to begin while a fallback could give it.
    "METACHAT_FALLBACK_AFTER_SECONDS" = "20" => fallback_after: Duration;

    /// Failures in a row after which calls to an account at a provider are stopped for a while.
    "METACHAT_CIRCUIT_FAILURES" = "5" => circuit_failures: NonZeroU32;

    /// Percent of the calls to an account in one window that stop them when they fail. Above 100: no
    /// share does.
    "METACHAT_CIRCUIT_FAILURE_PERCENT" = "50" => circuit_failure_percent: u32;

    /// Calls that a window needs before its share of failures counts.
    "METACHAT_CIRCUIT_LEAST_CALLS" = "20" => circuit_least_calls: u32;

    /// Seconds for which calls are counted together; then counting begins anew.
    "METACHAT_CIRCUIT_WINDOW_SECONDS" = "60" => circuit_window: Duration;

    /// Seconds for which calls are stopped, before one is made to see how it goes. Each time that
    /// fails they are stopped for twice as long.
    "METACHAT_CIRCUIT_OPEN_SECONDS" = "15" => circuit_open: Duration;

    /// The most seconds for which calls are stopped.
    "METACHAT_CIRCUIT_LONGEST_OPEN_SECONDS" = "300" => circuit_longest_open: Duration;

    /// Seconds between two looks at a tenant's accounts at providers that do badly or that nobody
    /// called for an hour, by requests that cost nothing. 0: none is made.
    "METACHAT_PROVIDER_CHECK_SECONDS" = "900" => provider_check_seconds: u32;
}
