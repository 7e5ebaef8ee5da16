//! No text makes the reader panic or hang: seeded mutations of the example file.

use super::*;

const EXAMPLE: &str = include_str!("../../../conf/usher.yaml");
const ROUNDS: u64 = 2000;

/// SplitMix64; a seed is a whole history.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("it fits")
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }
}

/// The example without comments, so that most mutations hit something.
fn lines() -> Vec<String> {
    let bare = EXAMPLE.lines().map(|line| line.split(" #").next().unwrap_or("").trim_end());
    bare.filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.replace("directory: ..", "directory: /"))
        .collect()
}

fn mutated(random: &mut Random, mut lines: Vec<String>) -> String {
    const PIECES: [&str; 28] = [
        "",
        " ",
        "\t",
        "null",
        "[]",
        "{}",
        "[",
        "]",
        "{",
        "}",
        ":",
        ": ",
        "- ",
        "\"",
        "'",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        ">",
        "# ",
        "---\n",
        "99999999999999999999",
        "-1",
        "0s",
        "한",
        "\u{0}",
        "{port}",
    ];
    for _ in 0..=random.below(3) {
        let at = random.below(lines.len());
        match random.below(6) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[random.below(lines.len())].clone()),
            2 => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            3 => lines[at] = format!("{}{}", random.of(&PIECES), lines[at]),
            4 => {
                let end = lines[at].len();
                let cut = lines[at].floor_char_boundary(random.below(end));
                lines[at].insert_str(cut, random.of(&PIECES));
            }
            _ => {
                let key = lines[at].split(':').next().unwrap_or("").to_owned();
                lines[at] = format!("{key}: {}", random.of(&PIECES));
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.join("\n")
}

/// Good and bad texts among those of some seeds.
fn judge(seeds: impl Iterator<Item = u64>, lines: &[String]) -> (u64, u64) {
    let (mut good, mut bad) = (0, 0);
    for seed in seeds {
        let text = mutated(&mut Random(seed), lines.to_vec());
        // A panic names no seed by itself.
        let result = std::panic::catch_unwind(|| parse(&text));
        match result.unwrap_or_else(|_| panic!("seed {seed}:\n{text}")) {
            Ok(_) => good += 1,
            Err(problems) => {
                bad += 1;
                let lines = text.split('\n').count() + 1;
                assert!(!problems.is_empty(), "seed {seed}: refused without a reason");
                for problem in problems {
                    assert!((1..=lines).contains(&problem.line), "seed {seed}: {problem}");
                    assert!(!problem.to_string().contains('\n'), "seed {seed}: {problem}");
                }
            }
        }
    }
    (good, bad)
}

#[test]
fn no_text_makes_it_panic() {
    let lines = lines();
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| judge(0..ROUNDS / 2, &lines));
        (judge(ROUNDS / 2..ROUNDS, &lines), other.join())
    });
    let second = second.expect("no seed panics");
    let (good, bad) = (first.0 + second.0, first.1 + second.1);
    assert!(good > ROUNDS / 20 && bad > ROUNDS / 4, "{good} good and {bad} bad: no fair mix");
}
