//! When a seat should stop. Idle, untouched and computing are three different things: who counts
//! bytes or requests alone either stops people who work or never stops anything.
//!
//! * idle: no WebSocket is open and no request was forwarded for `idle_timeout`;
//! * untouched: a WebSocket is open, but the person did nothing and the app neither computed nor
//!   sent anything for `untouched_timeout`;
//! * computing: over 5 % of a core for a minute.
//!
//! Pure: facts in, [`Outlook`] out.

use std::collections::VecDeque;

use super::RunsBecause;
use super::rules::{
    COMPUTING_CPU_MS, COMPUTING_WINDOW_MS, LATELY_MS, QUIET_MS, SeatRules, WARNING_MAX_MS,
};
use crate::clock::Moment;
use crate::domain::StopReason;

/// What happened at a ready seat until now, as the proxy saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Requests being forwarded and WebSockets open.
    pub leases: u32,
    /// WebSockets open.
    pub websockets: u32,
    /// When a request began or ended last.
    pub last_request_at: Option<Moment>,
    /// When a WebSocket was opened or closed last.
    pub last_socket_at: Option<Moment>,
    /// When the person did something last.
    pub last_act_at: Option<Moment>,
    /// When the app sent a data frame last.
    pub last_app_data_at: Option<Moment>,
}

impl Activity {
    /// Whether nobody is connected, and nobody was a moment ago.
    pub fn is_quiet(&self, now: Moment) -> bool {
        let last = self.last_request_at.max(self.last_socket_at);
        self.leases == 0 && last.is_none_or(|at| now.since_ms(at) >= QUIET_MS)
    }
}

/// Everything that decides when a ready seat stops.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The seat's rules.
    pub rules: &'a SeatRules,
    /// When it was launched.
    pub launched_at: Moment,
    /// When it became ready.
    pub ready_at: Moment,
    /// When somebody wanted it to go on.
    pub kept_at: Option<Moment>,
    /// When it was last seen computing.
    pub computed_at: Option<Moment>,
    /// What happened at it.
    pub activity: Activity,
}

/// Why a seat runs and when it will stop, if nothing happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Why it runs.
    pub runs_because: RunsBecause,
    /// When it will stop, and why; `None`: never.
    pub stop: Option<(Moment, StopReason)>,
    /// When a countdown should begin.
    pub warn_at: Option<Moment>,
    /// Before this moment no rule can stop it, whatever happens; `None`: never.
    pub look_again_at: Option<Moment>,
}

impl Facts<'_> {
    /// The outlook at this moment.
    pub fn outlook(&self, now: Moment) -> Outlook {
        let rules = self.rules;
        let (idle_since, touched_at) = (self.idle_since(now), self.touched_at());
        let connected = self.activity.websockets > 0;
        let lifetime = rules.lifetime_max_ms.map(|ms| (self.launched_at, ms, StopReason::Lifetime));
        let idle = rules.idle_timeout_ms.map(|ms| (idle_since, ms, StopReason::Idle));
        let untouched =
            rules.untouched_timeout_ms.map(|ms| (touched_at, ms, StopReason::Untouched));
        let ends =
            [lifetime, idle.filter(|_| self.activity.leases == 0), untouched.filter(|_| connected)];
        let at = |(since, ms, reason): (Moment, u64, StopReason)| (since.plus_ms(ms), ms, reason);
        let stop = ends.into_iter().flatten().map(at).min_by_key(|(at, _, _)| *at);
        // Who comes now begins a new idle or untouched time, so neither can end before this:
        let later = [
            rules.lifetime_max_ms.map(|ms| self.launched_at.plus_ms(ms)),
            rules.idle_timeout_ms.map(|ms| idle_since.plus_ms(ms)),
            rules
                .untouched_timeout_ms
                .map(|ms| if connected { touched_at.plus_ms(ms) } else { now.plus_ms(ms) }),
        ];
        Outlook {
            runs_because: self.runs_because(now, idle_since),
            warn_at: stop
                .as_ref()
                .map(|(at, ms, _)| Moment(at.0.saturating_sub(WARNING_MAX_MS.min(ms / 4)))),
            stop: stop.map(|(at, _, reason)| (at, reason)),
            look_again_at: later.into_iter().flatten().min(),
        }
    }

    /// Since when no WebSocket is open and no request is under way; now, if one is.
    fn idle_since(&self, now: Moment) -> Moment {
        if self.activity.leases > 0 {
            return now;
        }
        let last = self.activity.last_request_at.max(self.activity.last_socket_at);
        self.ready_at.max(last.max(self.kept_at).unwrap_or_default())
    }

    /// When somebody or something last showed that the seat is in use.
    fn touched_at(&self) -> Moment {
        let activity = &self.activity;
        let person = activity.last_act_at.max(activity.last_socket_at).max(self.kept_at);
        // An app that sends data works for somebody: a progress bar, a running chart.
        let app = activity.last_app_data_at.max(self.computed_at);
        self.ready_at.max(person.max(app).unwrap_or_default())
    }

    fn runs_because(&self, now: Moment, idle_since: Moment) -> RunsBecause {
        let lately = |at: Option<Moment>, ms| at.is_some_and(|at| now.since_ms(at) <= ms);
        let activity = &self.activity;
        if activity.websockets > 0 {
            return if lately(activity.last_act_at, LATELY_MS) {
                RunsBecause::Acts
            } else if lately(self.computed_at.max(activity.last_app_data_at), COMPUTING_WINDOW_MS) {
                RunsBecause::Computes
            } else {
                RunsBecause::TabOpen
            };
        }
        if self.rules.idle_timeout_ms.is_none() {
            RunsBecause::NoTimeout
        } else if self.kept_at == Some(idle_since) {
            RunsBecause::Kept
        } else {
            RunsBecause::UsedLately
        }
    }
}

/// CPU time over the last minute, from measurements of its sum.
#[derive(Clone, Debug, Default)]
pub struct CpuMeter {
    /// Sums and when they were measured, oldest first; the first is the last before the window.
    sums: VecDeque<(Moment, u64)>,
}

/// The most measurements that a meter keeps; closer ones replace the latest.
const SUMS_MAX: usize = 32;

impl CpuMeter {
    /// Adds a measurement of the CPU time used since the start of the process.
    pub fn add(&mut self, now: Moment, cpu_ms: u64) {
        // A sum that shrinks belongs to other processes (a child was reaped elsewhere).
        if self.sums.back().is_some_and(|(_, last_ms)| *last_ms > cpu_ms) {
            self.sums.clear();
        }
        while self.sums.get(1).is_some_and(|(at, _)| now.since_ms(*at) >= COMPUTING_WINDOW_MS) {
            self.sums.pop_front();
        }
        if self.sums.len() >= SUMS_MAX {
            self.thin_out();
        }
        self.sums.push_back((now, cpu_ms));
    }

    fn thin_out(&mut self) {
        let mut index = 0;
        self.sums.retain(|_| {
            index += 1;
            index % 2 == 1 || index >= SUMS_MAX - 1
        });
    }

    /// Whether the processes used over 5 % of a core over the last minute.
    pub fn computes(&self) -> bool {
        match (self.sums.front(), self.sums.back()) {
            (Some((_, first_ms)), Some((_, last_ms))) => last_ms - first_ms > COMPUTING_CPU_MS,
            (None, _) | (_, None) => false,
        }
    }

    /// CPU use between the last two measurements, in thousandths of a core.
    pub fn millicores(&self) -> Option<u32> {
        let (at, cpu_ms) = self.sums.back()?;
        let (before, cpu_before_ms) = self.sums.iter().rev().nth(1)?;
        let used_ms = (cpu_ms - cpu_before_ms).saturating_mul(1000);
        u32::try_from(used_ms / at.since_ms(*before).max(1)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::machine::tests::rules;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;

    fn at(minutes: u64) -> Option<Moment> {
        Some(Moment(minutes * MINUTE))
    }

    /// The outlook at a minute, in words, of a seat that was launched at minute 0.
    fn outlook(
        minute: u64,
        kept: Option<u64>,
        computed: Option<u64>,
        activity: Activity,
    ) -> String {
        let rules = SeatRules {
            idle_timeout_ms: Some(30 * MINUTE),
            untouched_timeout_ms: Some(8 * HOUR),
            lifetime_max_ms: Some(100 * HOUR),
            ..rules()
        };
        let facts = Facts {
            rules: &rules,
            launched_at: Moment(0),
            ready_at: Moment(MINUTE),
            kept_at: kept.and_then(at),
            computed_at: computed.and_then(at),
            activity,
        };
        let outlook = facts.outlook(Moment(minute * MINUTE));
        let (stop, reason) = outlook.stop.expect("there is a lifetime");
        format!("{}; {} at {}", outlook.runs_because.as_str(), reason.as_str(), stop.0 / MINUTE)
    }

    #[test]
    fn idle_untouched_and_computing_are_three_things() {
        let nothing = Activity::default();
        let request = Activity { last_request_at: at(10), ..nothing };
        let downloading = Activity { leases: 1, ..request };
        let tab = Activity { leases: 1, websockets: 1, last_socket_at: at(10), ..request };
        let typing = Activity { last_act_at: at(500), ..tab };
        let sending = Activity { last_app_data_at: at(505), ..tab };
        let left = Activity { last_socket_at: at(40), ..request };
        for (minute, kept, computed, activity, expected) in [
            // Nobody came since it became ready.
            (5, None, None, nothing, "used_lately; idle at 31"),
            (15, None, None, request, "used_lately; idle at 40"),
            // A long download is a use, however long.
            (400, None, None, downloading, "used_lately; lifetime at 6000"),
            // An open tab is never idle.
            (400, None, None, tab, "tab_open; untouched at 490"),
            (505, None, None, typing, "acts; untouched at 980"),
            (600, None, None, typing, "tab_open; untouched at 980"),
            (505, None, None, sending, "computes; untouched at 985"),
            (505, None, Some(505), tab, "computes; untouched at 985"),
            // Closing the tab begins the idle time.
            (50, None, None, left, "used_lately; idle at 70"),
            // A closed tab's computation does not count; a wish does.
            (50, None, Some(50), left, "used_lately; idle at 70"),
            (55, Some(50), None, left, "kept; idle at 80"),
            (500, Some(480), None, tab, "tab_open; untouched at 960"),
            // No wish moves the lifetime.
            (5999, Some(5998), None, tab, "tab_open; lifetime at 6000"),
        ] {
            assert_eq!(outlook(minute, kept, computed, activity), expected, "at {minute}");
        }
    }

    #[test]
    fn no_rule_stops_before_the_next_look() {
        let rules = SeatRules {
            idle_timeout_ms: Some(1_000),
            untouched_timeout_ms: Some(10_000),
            lifetime_max_ms: None,
            ..rules()
        };
        let connected =
            Activity { leases: 1, websockets: 1, last_socket_at: at(0), ..Activity::default() };
        let facts = Facts {
            rules: &rules,
            launched_at: Moment(0),
            ready_at: Moment(0),
            kept_at: None,
            computed_at: None,
            activity: connected,
        };
        // The tab may close right after this look: then idle ends it, long before untouched.
        assert_eq!(facts.outlook(Moment(5_000)).look_again_at, Some(Moment(6_000)));
        assert_eq!(
            facts.outlook(Moment(5_000)).stop,
            Some((Moment(10_000), StopReason::Untouched))
        );
        assert_eq!(facts.outlook(Moment(5_000)).warn_at, Some(Moment(7_500)));
    }

    #[test]
    fn the_meter_sees_a_minute() {
        let mut meter = CpuMeter::default();
        assert_eq!((meter.computes(), meter.millicores()), (false, None));
        // One second of work every minute is no computing; three and a half are.
        for (second, cpu_ms, computes) in [
            (0, 5_000, false),
            (30, 6_000, false),
            (60, 6_000, false),
            (90, 8_500, false),
            (120, 9_600, true),
            (180, 9_700, false),
        ] {
            meter.add(Moment(second * 1_000), cpu_ms);
            assert_eq!(meter.computes(), computes, "at {second} s");
        }
        meter.add(Moment(181_000), 10_200);
        assert_eq!(meter.millicores(), Some(500));
        meter.add(Moment(182_000), 100);
        assert_eq!(meter.millicores(), None, "another process");
    }

    #[test]
    fn the_meter_is_bounded_and_still_sees_a_minute() {
        let mut meter = CpuMeter::default();
        for second in 0..600 {
            meter.add(Moment(second * 1_000), second * 51);
            assert!(meter.sums.len() <= SUMS_MAX);
        }
        assert!(meter.computes(), "5.1 % of a core");
        assert_eq!(meter.millicores(), Some(51));
    }
}
