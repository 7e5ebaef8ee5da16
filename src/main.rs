//! Flags → configuration → [`usher::app`] or [`usher::control`]; exit codes. Nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use usher::account::report::Format;
use usher::app;
use usher::control::Outcome;
use usher::control::client::{self, SeatOrder};
use usher::control::records::{self, ReportRequest};
use usher::control::secrets;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The front door of a small server: shows each person to their own Streamlit seat.
#[derive(Parser)]
#[command(version, about, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "First steps:
  usher try src/main.py            one script, at this machine, without a configuration
  usher check -c conf/usher.yaml   what is wrong with a configuration
  usher serve -c conf/usher.yaml   the front door

Exit codes: 0 done, 1 failed, 2 usage, 69 no server is running, \
                          78 bad configuration.";

/// Every command takes the configuration file; those that talk to the running server find it by
/// the file's `state_dir`.
#[derive(clap::Args)]
struct File {
    /// The configuration file
    #[arg(short, long = "config", value_name = "FILE", default_value = "conf/usher.yaml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Run the front door in the foreground; logs go to standard error
    #[command(after_help = "Example:\n  usher serve -c /etc/usher/usher.yaml")]
    Serve {
        #[command(flatten)]
        file: File,
    },
    /// A working front door for one script, without a configuration: for this machine only
    #[command(after_help = "Example:\n  usher try src/main.py --port 8080")]
    Try {
        /// The Streamlit script
        script: PathBuf,
        /// The port; default: the first free one from 8000 on
        #[arg(long)]
        port: Option<u16>,
    },
    /// Validate the configuration: prints every problem with file, line and column
    #[command(after_help = "Example:\n  usher check -c conf/usher.yaml")]
    Check {
        #[command(flatten)]
        file: File,
        /// Print a JSON Schema of the configuration instead, for editors
        #[arg(long)]
        schema: bool,
    },
    /// Find what would go wrong: Python, ports, rights, clock, and one real visit to each app
    #[command(after_help = "Example:\n  usher doctor -c conf/usher.yaml")]
    Doctor {
        #[command(flatten)]
        file: File,
    },
    /// What the running server knows: seats, states, why each runs and when it will stop
    #[command(after_help = "Example:\n  usher status --json | jq '.seats[] | .user'")]
    Status {
        #[command(flatten)]
        file: File,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Apply the configuration file to the running server, or print its problems and change nothing
    #[command(after_help = "Example:\n  usher reload -c conf/usher.yaml")]
    Reload {
        #[command(flatten)]
        file: File,
    },
    /// Order a seat, or read its log; without APP: all seats of that user
    #[command(after_help = "Example:\n  usher seat restart jiyoung main")]
    Seat {
        #[command(flatten)]
        file: File,
        /// What to do
        #[arg(value_enum)]
        order: OrderArgument,
        /// Whose seat
        user: String,
        /// Which app
        app: Option<String>,
    },
    /// Close a user's WebSockets and end their sessions; the seat runs on
    #[command(after_help = "Example:\n  usher kick jiyoung")]
    Kick {
        #[command(flatten)]
        file: File,
        /// Whom
        user: String,
    },
    /// Show a text to everybody who has an app open
    #[command(after_help = "Example:\n  usher notice \"오후 6시에 서버를 점검합니다.\"")]
    Notice {
        #[command(flatten)]
        file: File,
        /// The text
        text: String,
    },
    /// Copy the database, also while the server runs
    #[command(after_help = "Example:\n  usher backup /srv/backups/usher.db")]
    Backup {
        #[command(flatten)]
        file: File,
        /// Where to: a file, or a folder
        destination: PathBuf,
    },
    /// Visits, people and time per day, week, user and app
    #[command(
        after_help = "Example:\n  usher report --from 2026-11-01 --to 2026-11-30 --format csv"
    )]
    Report {
        #[command(flatten)]
        file: File,
        /// The first day; default: 30 days up to the last
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// The last day; default: today
        #[arg(long, value_name = "DATE")]
        to: Option<String>,
        /// The format
        #[arg(long, value_enum, default_value = "csv")]
        format: FormatArgument,
    },
    /// Put this binary in the place of the running one: no refused connection, no lost seat
    #[command(after_help = "Example:\n  /usr/local/bin/usher upgrade")]
    Upgrade {
        #[command(flatten)]
        file: File,
    },
    /// Print the hash of a password, for `users[].password`; asks twice, or reads a line of a pipe
    #[command(after_help = "Example:\n  usher password")]
    Password {
        #[command(flatten)]
        _file: File,
    },
    /// Print a new secret for one-time codes, for `users[].totp`, and its QR code
    #[command(after_help = "Example:\n  usher totp minsu")]
    Totp {
        #[command(flatten)]
        _file: File,
        /// Whose; the name that the authenticator shows
        user: String,
    },
    /// Make a self-signed certificate and its key, for a trial of TLS
    #[command(
        after_help = "Example:\n  usher certificate --name door.lab.example --name 192.168.1.7"
    )]
    Certificate {
        #[command(flatten)]
        _file: File,
        /// A name or address that browsers use; may be given several times
        #[arg(long = "name", required = true)]
        names: Vec<String>,
        /// How long it is valid
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// Where cert.pem and key.pem are written
        #[arg(long, value_name = "FOLDER", default_value = "conf/tls")]
        directory: PathBuf,
        /// Replace the files that are there
        #[arg(long)]
        replace: bool,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatArgument {
    /// One table
    Csv,
    /// One object
    Json,
}

impl From<FormatArgument> for Format {
    fn from(format: FormatArgument) -> Self {
        match format {
            FormatArgument::Csv => Format::Csv,
            FormatArgument::Json => Format::Json,
        }
    }
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum OrderArgument {
    /// Start it, and wait until it is ready
    Start,
    /// Stop it, and wait until it has ended
    Stop,
    /// Stop it and start it again
    Restart,
    /// Print the end of its log
    Log,
}

impl From<OrderArgument> for SeatOrder {
    fn from(order: OrderArgument) -> Self {
        match order {
            OrderArgument::Start => SeatOrder::Start,
            OrderArgument::Stop => SeatOrder::Stop,
            OrderArgument::Restart => SeatOrder::Restart,
            OrderArgument::Log => SeatOrder::Log,
        }
    }
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve { file } => app::serve(&file.config),
        Command::Try { script, port } => app::try_script(&script, port),
        Command::Check { schema: true, .. } => client::schema(),
        Command::Check { file, schema: false } => client::check(&file.config),
        Command::Doctor { file } => app::doctor(&file.config),
        Command::Status { file, json } => client::status(&file.config, json),
        Command::Reload { file } => client::reload(&file.config),
        Command::Seat { file, order, user, app } => {
            client::seat(&file.config, order.into(), &user, app.as_deref())
        }
        Command::Kick { file, user } => client::kick(&file.config, &user),
        Command::Notice { file, text } => client::notice(&file.config, &text),
        Command::Backup { file, destination } => records::backup(&file.config, &destination),
        Command::Report { file, from, to, format } => {
            let request = ReportRequest { from, to, format: format.into() };
            records::report(&file.config, &request)
        }
        Command::Upgrade { file } => client::upgrade(&file.config),
        Command::Password { .. } => secrets::password(),
        Command::Totp { user, .. } => secrets::totp(&user),
        Command::Certificate { names, days, directory, replace, .. } => {
            secrets::certificate(&names, days, &directory, replace)
        }
    };
    ExitCode::from(match outcome {
        Outcome::Done => 0,
        Outcome::Failed => 1,
        Outcome::NotRunning => 69,
        Outcome::BadConfiguration => 78,
    })
}
