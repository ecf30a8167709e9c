use crate::section::section;

section! {
    /// What only tests set.
    Testing, "Testing";

    /// Named points at which the process kills or stops itself, separated by commas:
    /// `send.before_request=kill,status.before_commit=stop`. A build without the feature `failpoints`
    /// does not start with it.
    "METACHAT_FAILPOINTS" => failpoints: Option<String>;
}
