//! The colours of `usher.css` keep the contrast of WCAG AA, light and dark.

use super::super::files::built_in;
use std::collections::BTreeMap;

type Palette = BTreeMap<String, [f64; 3]>;

/// The custom properties with a hexadecimal colour: light ones, and dark ones over them.
fn palettes() -> [(&'static str, Palette); 2] {
    let files = built_in();
    let css = files["assets/usher.css"].text().unwrap();
    let (light, rest) = css.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let (dark, _) = rest.split_once("/* ---- Ground").unwrap();
    let light = colours(light);
    let mut both = light.clone();
    both.extend(colours(dark));
    [("light", light), ("dark", both)]
}

fn colours(css: &str) -> Palette {
    let colour = |line: &str| {
        let (name, value) = line.trim().strip_suffix(';')?.split_once(": #")?;
        let channel = |at| u8::from_str_radix(value.get(at..at + 2)?, 16).ok();
        let channels = [channel(0)?, channel(2)?, channel(4)?];
        Some((name.to_owned(), channels.map(|channel| f64::from(channel) / 255.0)))
    };
    css.lines().filter_map(colour).collect()
}

fn luminance(colour: [f64; 3]) -> f64 {
    let linear = colour.map(|channel| {
        if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn texts_can_be_read() {
    const GROUNDS: [&str; 3] = ["--paper", "--surface", "--stub"];
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for text in ["--ink", "--ink-soft", "--lamp-text", "--good", "--bad"] {
        pairs.extend(GROUNDS.map(|ground| (text, ground)));
    }
    pairs.extend([
        ("--lamp-text", "--lamp-tint"),
        ("--good", "--good-tint"),
        ("--bad", "--bad-tint"),
        ("--button-ink", "--button"),
        ("--button-ink", "--button-over"),
        ("--screen-ink", "--screen"),
    ]);
    for (scheme, palette) in palettes() {
        for (text, ground) in &pairs {
            let ratio = contrast(palette[*text], palette[*ground]);
            assert!(ratio >= 4.5, "{scheme}: {text} on {ground} is {ratio:.2}");
        }
    }
}

#[test]
fn shapes_can_be_seen() {
    for (scheme, palette) in palettes() {
        let charts: Vec<String> = (1..=6).map(|number| format!("--chart-{number}")).collect();
        let shapes = ["--lamp", "--line-strong", "--good", "--bad"].map(str::to_owned);
        for shape in shapes.into_iter().chain(charts) {
            for ground in ["--paper", "--surface", "--stub"] {
                let ratio = contrast(palette[&shape], palette[ground]);
                assert!(ratio >= 3.0, "{scheme}: {shape} on {ground} is {ratio:.2}");
            }
        }
    }
}
