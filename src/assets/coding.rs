//! How an answer may be packed: what a browser accepts, and what is made of it. Pure.

/// A way to pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
    Zstd,
    Brotli,
}

/// How many ways there are, for tables.
pub(super) const CODINGS: usize = 4;

/// Which ways a request accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// In thousandths, by [`Coding::place`]; 0: not accepted.
    weights: [u16; CODINGS],
}

impl Coding {
    /// From the smallest result to the largest.
    const BY_SIZE: [Coding; CODINGS] = [Coding::Brotli, Coding::Zstd, Coding::Gzip, Coding::Plain];
    /// From the quickest packing to the slowest.
    const BY_HASTE: [Coding; CODINGS] = [Coding::Zstd, Coding::Gzip, Coding::Brotli, Coding::Plain];

    /// Its place in tables.
    pub(super) fn place(self) -> usize {
        match self {
            Coding::Plain => 0,
            Coding::Gzip => 1,
            Coding::Zstd => 2,
            Coding::Brotli => 3,
        }
    }

    /// The word in headers; `None`: none is needed.
    pub(super) fn token(self) -> Option<&'static str> {
        match self {
            Coding::Plain => None,
            Coding::Gzip => Some("gzip"),
            Coding::Zstd => Some("zstd"),
            Coding::Brotli => Some("br"),
        }
    }

    fn of_token(token: &str) -> Option<Self> {
        let same = |name: &str| token.eq_ignore_ascii_case(name);
        match () {
            () if same("gzip") || same("x-gzip") => Some(Coding::Gzip),
            () if same("br") => Some(Coding::Brotli),
            () if same("zstd") => Some(Coding::Zstd),
            () if same("identity") => Some(Coding::Plain),
            () => None,
        }
    }
}

impl Accepted {
    /// Reads the lines of `Accept-Encoding`. Without any, nothing is packed: who says nothing may
    /// understand nothing.
    pub(super) fn of<'h>(lines: impl IntoIterator<Item = &'h str>) -> Self {
        let mut named = [None; CODINGS];
        let mut others = None;
        for entry in lines.into_iter().flat_map(|line| line.split(',')) {
            let (token, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let weight = weight(parameters);
            match token.trim() {
                "*" => others = Some(weight),
                token => {
                    if let Some(coding) = Coding::of_token(token) {
                        named[coding.place()] = Some(weight);
                    }
                }
            }
        }
        let mut weights = named.map(|weight| weight.or(others).unwrap_or(0));
        // Plain is the last resort, unless it is asked for.
        let plain = Coding::Plain.place();
        weights[plain] = named[plain].filter(|weight| *weight > 0).unwrap_or(1);
        Self { weights }
    }

    /// The smallest of what is liked best.
    pub(super) fn best(&self) -> Coding {
        self.first(Coding::BY_SIZE)
    }

    /// The quickest of what is liked best.
    pub(super) fn quickest(&self) -> Coding {
        self.first(Coding::BY_HASTE)
    }

    /// All that are liked best, the smallest first.
    pub(super) fn by_size(&self) -> impl Iterator<Item = Coding> {
        let most = self.most();
        Coding::BY_SIZE.into_iter().filter(move |coding| self.weights[coding.place()] == most)
    }

    fn first(&self, order: [Coding; CODINGS]) -> Coding {
        let most = self.most();
        let found = order.into_iter().find(|coding| self.weights[coding.place()] == most);
        found.unwrap_or(Coding::Plain)
    }

    fn most(&self) -> u16 {
        self.weights.into_iter().max().unwrap_or(0)
    }
}

/// `q=0.5` in thousandths; 1000 without, and for what is no number.
fn weight(parameters: &str) -> u16 {
    let value = parameters.split(';').find_map(|one| {
        let (name, value) = one.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    match value.and_then(|value| value.parse::<f32>().ok()) {
        Some(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u16,
        Some(_) | None => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Plain, Zstd};
    use super::*;

    #[test]
    fn what_is_chosen() {
        for (line, best, quickest) in [
            ("gzip, deflate, br, zstd", Brotli, Zstd),
            ("gzip, deflate, br", Brotli, Gzip),
            ("gzip, deflate", Gzip, Gzip),
            ("GZip", Gzip, Gzip),
            ("zstd", Zstd, Zstd),
            ("br;q=1.0, gzip;q=0.8", Brotli, Brotli),
            ("br;q=0.1, gzip", Gzip, Gzip),
            ("br;q=0, gzip ; q=0.5", Gzip, Gzip),
            ("*", Brotli, Zstd),
            ("*;q=0", Plain, Plain),
            ("*, br;q=0", Zstd, Zstd),
            ("gzip;q=0", Plain, Plain),
            ("identity", Plain, Plain),
            ("identity, gzip;q=0.5", Plain, Plain),
            ("identity;q=0.5, gzip", Gzip, Gzip),
            ("identity;q=0, br", Brotli, Brotli),
            ("identity;q=0", Plain, Plain),
            ("deflate", Plain, Plain),
            ("gzip;q=nonsense", Gzip, Gzip),
            ("gzip;q=0.0004", Plain, Plain),
            ("", Plain, Plain),
            (", ;,", Plain, Plain),
        ] {
            let accepted = Accepted::of([line]);
            assert_eq!((accepted.best(), accepted.quickest()), (best, quickest), "{line}");
        }
        assert_eq!(Accepted::of([]), Accepted::of([""]));
        assert_eq!(Accepted::of(["gzip", "br"]).best(), Brotli);
        let all: Vec<_> = Accepted::of(["zstd, br, gzip"]).by_size().collect();
        assert_eq!(all, [Brotli, Zstd, Gzip]);
    }
}
