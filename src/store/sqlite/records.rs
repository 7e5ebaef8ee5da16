//! How records become rows, inside one transaction.

use rusqlite::{CachedStatement, Transaction, params};

use super::values::{actor, real, signed};
use crate::store::clauses;
use crate::store::{Batch, SLOT_MS, VisitId, VisitPhase, VisitRecord, Written};

/// Writes all of it; an error leaves the transaction to be rolled back.
pub(super) fn write(
    transaction: &Transaction<'_>,
    run: i64,
    batch: &Batch,
) -> rusqlite::Result<Written> {
    let visits = write_visits(transaction, run, &batch.visits)?;
    write_events(transaction, batch)?;
    write_starts(transaction, batch)?;
    write_machine(transaction, batch)?;
    write_seats(transaction, batch)?;
    Ok(Written { visits })
}

const INSERT_VISIT: &str = "INSERT INTO visits (run, user, app, role, address, browser, started_at, \
    seen_at, ended_at, dwell_ms, active_ms, requests, in_bytes, out_bytes, ended_because) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) RETURNING id";
const UPDATE_VISIT: &str = "UPDATE visits SET seen_at = ?3, ended_at = ?4, dwell_ms = ?5, \
    active_ms = ?6, requests = ?7, in_bytes = ?8, out_bytes = ?9, ended_because = ?10 \
    WHERE id = ?1 AND run = ?2";
const ADD_PRESENCE: &str = "INSERT INTO presence (slot_at, user, app, visits, dwell_ms, active_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET visits = visits + excluded.visits, \
    dwell_ms = dwell_ms + excluded.dwell_ms, active_ms = active_ms + excluded.active_ms";

fn write_visits(
    transaction: &Transaction<'_>,
    run: i64,
    visits: &[VisitRecord],
) -> rusqlite::Result<Vec<Option<VisitId>>> {
    let Some(earliest) = visits.iter().map(|visit| visit.started_at).min() else {
        return Ok(Vec::new());
    };
    let mut insert = transaction.prepare_cached(INSERT_VISIT)?;
    let mut update = transaction.prepare_cached(UPDATE_VISIT)?;
    let mut presence = transaction.prepare_cached(ADD_PRESENCE)?;
    let mut ids = Vec::with_capacity(visits.len());
    for visit in visits {
        let id = match visit.id {
            None => Some(insert_visit(&mut insert, run, visit)?),
            Some(id) => update_visit(&mut update, run, id, visit)?,
        };
        if id.is_some() {
            add_presence(&mut presence, visit)?;
        }
        ids.push(id);
    }
    // What was prepared of these days is no longer true.
    transaction.prepare_cached("DELETE FROM digests WHERE to_at > ?1")?.execute([earliest.0])?;
    Ok(ids)
}

/// `ended_at` and `ended_because`.
fn end(visit: &VisitRecord) -> (Option<i64>, Option<&'static str>) {
    match visit.phase {
        VisitPhase::Open => (None, None),
        VisitPhase::Gap(because) => (None, Some(because)),
        VisitPhase::Ended(because) => (Some(visit.seen_at.0), Some(because)),
    }
}

fn insert_visit(
    insert: &mut CachedStatement<'_>,
    run: i64,
    visit: &VisitRecord,
) -> rusqlite::Result<VisitId> {
    let (ended_at, because) = end(visit);
    let values = params![
        run,
        visit.key.user.as_str(),
        visit.key.app.as_str(),
        visit.role.as_str(),
        visit.address,
        visit.browser,
        visit.started_at.0,
        visit.seen_at.0,
        ended_at,
        signed(visit.dwell_ms),
        signed(visit.active_ms),
        signed(visit.requests),
        signed(visit.in_bytes),
        signed(visit.out_bytes),
        because,
    ];
    insert.query_row(values, |row| row.get(0)).map(VisitId)
}

fn update_visit(
    update: &mut CachedStatement<'_>,
    run: i64,
    id: VisitId,
    visit: &VisitRecord,
) -> rusqlite::Result<Option<VisitId>> {
    let (ended_at, because) = end(visit);
    let changed = update.execute(params![
        id.0,
        run,
        visit.seen_at.0,
        ended_at,
        signed(visit.dwell_ms),
        signed(visit.active_ms),
        signed(visit.requests),
        signed(visit.in_bytes),
        signed(visit.out_bytes),
        because,
    ])?;
    Ok((changed > 0).then_some(id))
}

fn add_presence(presence: &mut CachedStatement<'_>, visit: &VisitRecord) -> rusqlite::Result<()> {
    let (user, app) = (visit.key.user.as_str(), visit.key.app.as_str());
    if visit.id.is_none() {
        let slot_at = visit.started_at.0.div_euclid(SLOT_MS) * SLOT_MS;
        presence.execute(params![slot_at, user, app, 1, 0, 0])?;
    }
    for slot in &visit.slots {
        let (dwell_ms, active_ms) = (signed(slot.dwell_ms), signed(slot.active_ms));
        presence.execute(params![slot.slot_at.0, user, app, 0, dwell_ms, active_ms])?;
    }
    Ok(())
}

fn write_events(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    if batch.events.is_empty() {
        return Ok(());
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO events (at, kind, actor, actor_name, user, app, address, detail, clauses) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for event in &batch.events {
        let (who, name) = actor(&event.actor);
        let user = event.key.as_ref().map(|key| key.user.as_str());
        let app = event.key.as_ref().map(|key| key.app.as_str());
        insert.execute(params![
            event.at.0,
            event.kind,
            who,
            name,
            user,
            app,
            event.address,
            event.detail.text(),
            clauses::to_column(&event.detail),
        ])?;
    }
    Ok(())
}

fn write_starts(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    if batch.starts.is_empty() {
        return Ok(());
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO starts (at, user, app, launch, start_ms, queued_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for start in &batch.starts {
        insert.execute(params![
            start.at.0,
            start.key.user.as_str(),
            start.key.app.as_str(),
            start.launch.as_str(),
            signed(start.start_ms),
            signed(start.queued_ms),
        ])?;
    }
    Ok(())
}

fn write_machine(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    if batch.machine.is_empty() {
        return Ok(());
    }
    // Two measurements in one millisecond: the clock was set back. The later one stays.
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO machine_samples VALUES \
         (0, ?1, 1, ?2, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    for (at, sample) in &batch.machine {
        insert.execute(params![
            at.0,
            real(sample.cpu_cores),
            real(sample.cpu_cores_total),
            signed(sample.memory_bytes),
            signed(sample.memory_total_bytes),
            signed(sample.swap_bytes),
            signed(sample.swap_total_bytes),
            signed(sample.disk_bytes),
            signed(sample.disk_total_bytes),
            real(sample.network_in_bytes_per_s),
            real(sample.network_out_bytes_per_s),
            real(sample.load_1m),
        ])?;
    }
    Ok(())
}

fn write_seats(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    if batch.seats.is_empty() {
        return Ok(());
    }
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO seat_samples VALUES (0, ?1, ?2, ?3, 1, ?4, ?4, ?5, ?5, ?6, ?7)",
    )?;
    for (at, sample) in &batch.seats {
        insert.execute(params![
            at.0,
            sample.key.user.as_str(),
            sample.key.app.as_str(),
            real(sample.cpu_cores),
            signed(sample.memory_bytes),
            sample.threads,
            sample.open_files,
        ])?;
    }
    Ok(())
}
