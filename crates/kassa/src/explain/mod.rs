//! The life of a payment as people read it: a head, and one line per thing that happened. Only words:
//! what happened is told by [`flows::operations::explain`].

mod head;
mod json;
mod look;
mod timeline;

pub use json::{brief, story as to_json};
pub use look::{Look, span};

use flows::operations::Story;

/// The whole story as lines, ending with a line break.
pub fn to_text(story: &Story, look: &Look) -> String {
    let mut lines = head::lines(story, look);
    lines.push(String::new());
    lines.extend(timeline::lines(story, look));
    lines.push(String::new());
    lines.join("\n")
}
