//! The word forms that depend on the value before them: Korean particles (은/는, 이/가, 을/를,
//! 과/와, 으로/로) and English plurals. Pure functions on strings.

/// The Korean particle of `pair` (`이/가`: after a consonant, after a vowel) that fits `value`.
pub(super) fn particle<'a>(value: &str, after_consonant: &'a str, after_vowel: &'a str) -> &'a str {
    match last_sound(value) {
        Sound::Vowel => after_vowel,
        Sound::Rieul if after_consonant == "으로" => after_vowel,
        Sound::Rieul | Sound::Consonant => after_consonant,
    }
}

/// How the last syllable of a word ends when it is read aloud in Korean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sound {
    Vowel,
    /// The consonant ㄹ, after which it is 로, not 으로.
    Rieul,
    Consonant,
}

fn last_sound(value: &str) -> Sound {
    let mut letters = value.chars().rev().skip_while(|letter| !letter.is_alphanumeric());
    let Some(last) = letters.next() else { return Sound::Vowel };
    match last {
        '가'..='힣' => hangul_sound(last),
        '0'..='9' => digit_sound(last),
        _ => latin_sound(last, letters.next()),
    }
}

/// A composed syllable is `(initial × 21 + vowel) × 28 + final`; final 0 is none, 8 is ㄹ.
fn hangul_sound(syllable: char) -> Sound {
    match (u32::from(syllable) - u32::from('가')) % 28 {
        0 => Sound::Vowel,
        8 => Sound::Rieul,
        _ => Sound::Consonant,
    }
}

/// 영 일 이 삼 사 오 육 칠 팔 구.
fn digit_sound(digit: char) -> Sound {
    match digit {
        '1' | '7' | '8' => Sound::Rieul,
        '0' | '3' | '6' => Sound::Consonant,
        _ => Sound::Vowel,
    }
}

/// How Koreans usually read a foreign word: 앱, 맵, 북, 메인, 팀, 툴, 트레이닝; 매니저, 차트, 보드.
/// A capital at the end is an abbreviation and read by its name (엘, 엠, 엔, 알) or is a unit (바이트).
fn latin_sound(last: char, before: Option<char>) -> Sound {
    match last {
        'L' | 'R' => Sound::Rieul,
        'M' | 'N' => Sound::Consonant,
        'l' => Sound::Rieul,
        'm' | 'n' | 'p' | 'k' | 'b' | 'c' => Sound::Consonant,
        'g' if before.is_some_and(|letter| letter.eq_ignore_ascii_case(&'n')) => Sound::Consonant,
        _ => Sound::Vowel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particles_follow_the_last_sound() {
        let table = [
            ("김민수", "은/는", "는"),
            ("지영", "은/는", "은"),
            ("매출 현황", "을/를", "을"),
            ("5G Feature Manager", "을/를", "를"),
            ("Sales dashboard", "이/가", "가"),
            ("main", "을/를", "을"),
            ("map", "이/가", "이"),
            ("Training", "이/가", "이"),
            ("8501", "으로/로", "로"),
            ("8500", "으로/로", "으로"),
            ("8502", "을/를", "를"),
            ("SIGKILL (9)", "으로/로", "로"),
            ("SIGSEGV (11)", "으로/로", "로"),
            ("서울", "으로/로", "로"),
            ("부산", "으로/로", "으로"),
            ("main.py", "을/를", "를"),
            ("2.1 GiB", "을/를", "를"),
            ("VPN", "이/가", "이"),
            ("URL", "으로/로", "로"),
            ("!!!", "을/를", "를"),
            ("", "이/가", "가"),
        ];
        for (value, pair, expected) in table {
            let (consonant, vowel) = pair.split_once('/').unwrap();
            assert_eq!(particle(value, consonant, vowel), expected, "{value} {pair}");
        }
    }
}
