use crate::{output, setup};

/// Brings the schema up to date.
pub(crate) async fn run() -> anyhow::Result<()> {
    let config = setup::configure()?;
    let db = setup::database(&config)?;
    db.migrate().await?;
    db.check().await?;
    output::print("The schema is up to date.")
}
