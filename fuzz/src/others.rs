use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread;

/// The stack that the product gives a reader.
const STACK_BYTES: usize = 64 << 20;

/// Runs what leads through other people's code, as the product does: with a large stack, and where a
/// panic of theirs ends it and nothing else. A panic of our own code is found all the same.
pub fn contained<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let found = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let is_others = panic.location().is_some_and(|at| {
                at.file().contains("/registry/src/") || at.file().starts_with("/rustc/")
            });
            if !is_others {
                found(panic);
            }
        }));
    });
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        let reader = builder
            .spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(work)).ok())
            .expect("a thread starts");
        reader.join().ok().flatten()
    })
}
