//! The QR code in the terminal.

use console::Style;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

const INDENT: &str = "             ";

/// The code as lines of half blocks; `None` if the content is too long for one. In colour it is black
/// on white. Without, a lit block is a light module, since most terminals are dark.
pub(super) fn qr(content: &str, colour: bool) -> Option<String> {
    let code = QrCode::new(content.as_bytes()).ok()?;
    let (dark, light) = if colour {
        (Dense1x2::Dark, Dense1x2::Light)
    } else {
        (Dense1x2::Light, Dense1x2::Dark)
    };
    let picture = code
        .render::<Dense1x2>()
        .dark_color(dark)
        .light_color(light)
        .build();
    let style = Style::new().black().on_white().force_styling(true);
    let lines: Vec<String> = picture
        .lines()
        .map(|line| {
            if colour {
                format!("{INDENT}{}", style.apply_to(line))
            } else {
                format!("{INDENT}{line}")
            }
        })
        .collect();
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:8090/payer/alipay/T1";

    #[test]
    fn a_code_is_a_block_of_equally_long_lines() {
        let picture = qr(URL, false).unwrap();
        let widths: Vec<_> = picture.lines().map(|line| line.chars().count()).collect();
        assert!(widths.len() > 10);
        assert!(widths.iter().all(|width| *width == widths[0]));
        assert_eq!(qr(&"x".repeat(8_000), false), None);
    }

    #[test]
    fn the_quiet_zone_is_light_with_and_without_colour() {
        let plain = qr(URL, false).unwrap();
        assert!(plain.lines().next().unwrap().ends_with("████"));
        let coloured = qr(URL, true).unwrap();
        let first = coloured.lines().next().unwrap();
        assert!(
            first.contains("\u{1b}[47m") && !first.contains('█'),
            "{first:?}"
        );
    }
}
