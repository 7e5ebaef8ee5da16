//! The commands that make secrets: a password's hash, a code's secret, a certificate for a trial.
//! They ask nobody and change no configuration; what they make is put there by the operator.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use qrcode::render::unicode;
use qrcode::{EcLevel, QrCode};

use super::Outcome;
use crate::certificates::self_signed;
use crate::clock::{Clock, OsClock};
use crate::domain::UserName;
use crate::platform::{self, terminal};
use crate::trust::{password, totp};

/// Shorter passwords are made, but not without a word.
const PASSWORD_CHARACTERS_ADVISED: usize = 10;

/// `usher password`: reads it twice on a terminal, once or twice from a pipe.
pub fn password() -> Outcome {
    match read_password() {
        Ok(typed) => match password::hash(&typed) {
            Ok(hash) => {
                if typed.chars().count() < PASSWORD_CHARACTERS_ADVISED {
                    eprintln!(
                        "usher: short; {PASSWORD_CHARACTERS_ADVISED} characters or more are better"
                    );
                }
                println!("{hash}");
                Outcome::Done
            }
            Err(error) => failed(&error.to_string()),
        },
        Err(sentence) => failed(&sentence),
    }
}

fn failed(sentence: &str) -> Outcome {
    eprintln!("usher: {sentence}");
    Outcome::Failed
}

fn read_password() -> Result<String, String> {
    let typed = if terminal::is_asked_here() {
        let ask = |question| terminal::ask_silently(question).map_err(|error| told(&error));
        let first = ask("Password: ")?;
        judge(&first)?;
        if ask("Once more: ")? != first {
            return Err("the two are different".to_owned());
        }
        first
    } else {
        // A pipe says it once, or twice as a person does. One byte more than is allowed, for
        // telling one that is too long.
        let limit = (password::PASSWORD_BYTES_MAX as u64 + 2) * 2;
        let mut input = io::BufReader::new(io::stdin().take(limit));
        let first = line_of(&mut input)?.unwrap_or_default();
        if line_of(&mut input)?.is_some_and(|second| second != first) {
            return Err("the two are different".to_owned());
        }
        first
    };
    judge(&typed)?;
    Ok(typed)
}

/// The next line without its end; `None`: there is no other.
fn line_of(input: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut line = String::new();
    if input.read_line(&mut line).map_err(|error| told(&error))? == 0 {
        return Ok(None);
    }
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(Some(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

fn told(error: &io::Error) -> String {
    let was_left = [io::ErrorKind::Interrupted, io::ErrorKind::UnexpectedEof];
    if was_left.contains(&error.kind()) {
        "no password".to_owned()
    } else {
        format!("the password cannot be read: {error}")
    }
}

fn judge(password: &str) -> Result<(), String> {
    if password.is_empty() {
        Err("the password is empty".to_owned())
    } else if password.len() > password::PASSWORD_BYTES_MAX {
        Err(format!("a password has at most {} bytes", password::PASSWORD_BYTES_MAX))
    } else {
        Ok(())
    }
}

/// `usher totp USER`
pub fn totp(user: &str) -> Outcome {
    if let Err(bad) = UserName::new(user) {
        return failed(&bad.to_string());
    }
    let secret = match totp::new_secret() {
        Ok(secret) => secret,
        Err(error) => return failed(&error.to_string()),
    };
    let address = totp::address(&secret, user, &format!("usher {}", platform::host_name()));
    match picture(&address) {
        Ok(picture) => {
            println!(
                "Scan this with an authenticator app, or type the secret or address into it:\n"
            );
            println!("{picture}\n");
            println!("secret:  {secret}\naddress: {address}\n");
            println!("Then write into the entry of {user}, and reload:\n\n    totp: {secret}");
            Outcome::Done
        }
        Err(sentence) => failed(&sentence),
    }
}

/// A QR code of half blocks, dark on light whatever the terminal's colours are, if it shows them.
fn picture(address: &str) -> Result<String, String> {
    let code = QrCode::with_error_correction_level(address, EcLevel::L)
        .map_err(|error| format!("no QR code: {error}"))?;
    let light_terminal = unicode::Dense1x2::Dark;
    let dark_terminal = unicode::Dense1x2::Light;
    // Most terminals are dark: what is drawn is light, and has to be the background of the code.
    Ok(code.render().dark_color(dark_terminal).light_color(light_terminal).build())
}

/// `usher certificate`: a self-signed one for these names, in `folder`.
pub fn certificate(names: &[String], days: u32, folder: &Path, replace: bool) -> Outcome {
    let made = match self_signed(names, OsClock.wall(), days) {
        Ok(made) => made,
        Err(sentence) => return failed(&format!("no certificate: {sentence}")),
    };
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    if !replace && let Some(there) = [&certificate, &key].into_iter().find(|path| path.exists()) {
        let sentence = format!("{} is there already; --replace replaces it", there.display());
        return failed(&sentence);
    }
    let written = fs::create_dir_all(folder)
        .and_then(|()| write(&key, &made.key, 0o600))
        .and_then(|()| write(&certificate, &made.certificate, 0o644));
    if let Err(error) = written {
        return failed(&format!("{} cannot be written: {error}", folder.display()));
    }
    println!("{} and {}, for {}", certificate.display(), key.display(), names.join(", "));
    println!("valid for {days} days; nobody vouches for it, so browsers warn of it\n");
    println!("tls:\n  certificate: {}\n  key: {}", certificate.display(), key.display());
    Outcome::Done
}

/// Writes a file in one step, readable by nobody else while it grows.
fn write(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let half = path.with_extension("pem.new");
    match fs::remove_file(&half) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&half)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(&half, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::Chain;

    #[test]
    fn a_certificate_that_can_be_served_and_is_not_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["door.example.org".to_owned(), "127.0.0.1".to_owned()];
        let path = folder.path().join("new/tls");
        assert_eq!(certificate(&names, 30, &path, false), Outcome::Done);
        let (chain, key) = (path.join("cert.pem"), path.join("key.pem"));
        let loaded = Chain::load(&chain, &key).expect("a chain");
        assert_eq!(loaded.names(), names);
        assert!(loaded.check_time(&chain, OsClock.wall()).is_ok());
        assert_eq!(fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
        let before = fs::read(&key).expect("read");
        assert_eq!(certificate(&names, 30, &path, false), Outcome::Failed);
        assert_eq!(fs::read(&key).expect("read"), before);
        assert_eq!(certificate(&names, 30, &path, true), Outcome::Done);
        assert_ne!(fs::read(&key).expect("read"), before);
        assert_eq!(certificate(&["a b".to_owned()], 30, &path, true), Outcome::Failed);
    }

    #[test]
    fn a_picture_that_fits_a_terminal() {
        let secret = totp::new_secret().expect("randomness");
        let address = totp::address(&secret, "jiyoung.kim@example.org", "usher server1");
        let picture = picture(&address).expect("a picture");
        assert!(picture.lines().count() <= 40, "{picture}");
        assert!(picture.lines().all(|line| line.chars().count() <= 80), "{picture}");
    }

    #[test]
    fn passwords_of_a_sound_length() {
        assert!(judge("").is_err());
        assert!(judge("열려라 참깨").is_ok());
        assert!(judge(&"x".repeat(password::PASSWORD_BYTES_MAX)).is_ok());
        assert!(judge(&"x".repeat(password::PASSWORD_BYTES_MAX + 1)).is_err());
    }
}
