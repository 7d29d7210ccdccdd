//! Panics become log entries.

use std::panic::PanicHookInfo;
use std::thread;

/// Logs panics instead of printing them; debug builds do both.
///
/// A message that was put together at run time may hold data (the text that was cut in the middle
/// of a character, the value that was not expected), so only messages that stand in the source are
/// logged; the place of the panic tells the rest.
pub(super) fn install() {
    let printing = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        log(info);
        if cfg!(debug_assertions) {
            printing(info);
        }
    }));
}

fn log(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    tracing::error!(
        panic.place = place,
        panic.message = message(info.payload()),
        thread.name = thread.name().unwrap_or_default(),
        "a task panicked"
    );
}

/// The message, if it stands in the source.
pub(super) fn message(payload: &(dyn std::any::Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("[not shown: made at run time]")
}
