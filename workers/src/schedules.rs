use jobs::kinds::{CheckChannels, CheckProviders, RefreshSources, ReleaseConversations, Upkeep};
use jobs::schedules::{Result, Schedule};

/// The schedules that the product brings itself.
pub(crate) fn builtin() -> Result<Vec<Schedule>> {
    Ok(vec![
        // At once where it never ran: a new installation has its partitions looked after from the start.
        Schedule::new("upkeep", "7 * * * *", &Upkeep {})?.at_once(),
        Schedule::new("check-channels", "23 * * * *", &CheckChannels {})?,
        Schedule::new("check-providers", "* * * * *", &CheckProviders {})?,
        Schedule::new("refresh-sources", "*/5 * * * *", &RefreshSources {})?,
        Schedule::new(
            "release-conversations",
            "* * * * *",
            &ReleaseConversations {},
        )?,
    ])
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_schedule_of_the_product_is_one() {
        assert!(!super::builtin().unwrap().is_empty());
    }
}
