//! Curves over sizes as SVG: the sizes' axis is logarithmic. Colours follow the reader's light or dark.

use std::fmt::Write;

/// One diagram.
pub(crate) struct Panel {
    /// What goes up, with its unit.
    pub(crate) title: &'static str,
    pub(crate) curves: Vec<Curve>,
}

/// A line with its name, of sizes and figures.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 48.0;
const STYLE: &str = "\
:root { color-scheme: light dark }
text { font: 12px sans-serif; fill: #333 } .title { font-weight: bold } .number { text-anchor: end }
.size { text-anchor: middle } .grid { stroke: #ddd } path { fill: none; stroke-width: 2 } .back { fill: #fff }
.c0 { stroke: #0969da } .c1 { stroke: #bc4c00; stroke-dasharray: 7 3 } .c2 { stroke: #1a7f37; stroke-dasharray: 2 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .grid { stroke: #444 } .back { fill: #0d1117 }
  .c0 { stroke: #58a6ff } .c1 { stroke: #f0883e } .c2 { stroke: #3fb950 }
}";

/// The diagrams side by side.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\">\n\
         <title>How usher grows</title>\n<style>{STYLE}</style>\n\
         <rect class=\"back\" width=\"{width}\" height=\"{HEIGHT}\"/>\n"
    );
    for (place, panel) in panels.iter().enumerate() {
        let _ = writeln!(out, "<g transform=\"translate({} 0)\">", WIDTH * place as f64);
        draw(&mut out, panel);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, panel: &Panel) {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let decades = points().map(|point| point.0.log10()).fold(1.0, f64::max).ceil();
    let step = step(points().map(|point| point.1).fold(1.0, f64::max) / 5.0);
    let top = (points().map(|point| point.1).fold(1.0, f64::max) / step).ceil() * step;
    let x = |size: f64| LEFT + size.max(1.0).log10() / decades * (WIDTH - LEFT - RIGHT);
    let y = |figure: f64| HEIGHT - BOTTOM - figure / top * (HEIGHT - TOP - BOTTOM);
    let _ = writeln!(out, "<text class=\"title\" x=\"{LEFT}\" y=\"20\">{}</text>", panel.title);
    for line in 0..=(top / step).round() as u32 {
        let (figure, right) = (f64::from(line) * step, WIDTH - RIGHT);
        let (at, words, left) = (y(figure), y(figure) + 4.0, LEFT - 6.0);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"number\" x=\"{left}\" y=\"{words:.1}\">{figure}</text>"
        );
    }
    for decade in 0..=decades as u32 {
        let size = 10_u32.pow(decade);
        let (at, below) = (x(size.into()), HEIGHT - BOTTOM + 18.0);
        let _ = writeln!(
            out,
            "<text class=\"size\" x=\"{at:.1}\" y=\"{below}\">{}</text>",
            short(size)
        );
    }
    let (middle, last) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 4.0);
    let _ =
        writeln!(out, "<text class=\"size\" x=\"{middle}\" y=\"{last}\">so many of them</text>");
    for (number, curve) in panel.curves.iter().enumerate() {
        draw_curve(out, number, curve, &x, &y);
    }
}

fn draw_curve(
    out: &mut String,
    number: usize,
    curve: &Curve,
    x: &dyn Fn(f64) -> f64,
    y: &dyn Fn(f64) -> f64,
) {
    let points: Vec<String> = curve
        .points
        .iter()
        .map(|(size, figure)| format!("{:.1} {:.1}", x(*size), y(*figure)))
        .collect();
    let _ = writeln!(out, "<path class=\"c{number}\" d=\"M{}\"/>", points.join(" L"));
    let (from, words) = (LEFT + 120.0 * number as f64, LEFT + 120.0 * number as f64 + 30.0);
    let _ = writeln!(
        out,
        "<path class=\"c{number}\" d=\"M{from} 38 h24\"/><text x=\"{words}\" y=\"42\">{}</text>",
        curve.name
    );
}

/// The round number at or above: 1, 2 or 5 with zeros.
fn step(at_least: f64) -> f64 {
    let ten = 10_f64.powf(at_least.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|round| round * ten)
        .find(|round| *round >= at_least)
        .unwrap_or(10.0 * ten)
}

fn short(size: u32) -> String {
    if size >= 1_000 { format!("{}k", size / 1_000) } else { size.to_string() }
}
