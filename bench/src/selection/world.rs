//! The simulation of a scenario, event by event.

use std::rc::Rc;
use std::time::Duration;

use weir_fleet::Time;
use weir_protocol::Report;

use crate::selection::algorithms::{Algorithm, Picker};
use crate::selection::chance::Chance;
use crate::selection::queue::Queue;
use crate::selection::scenario::{Incident, Scenario};
use crate::selection::servers::Server;
use crate::selection::trace::{Mean, Sample, Trace};
use crate::selection::visits::Visit;

/// The time between two sweeps of a balancer, and between two samples.
const TICK: Duration = Duration::from_millis(100);
/// The transit time of a datagram: a minimum, and the mean of an exponential time that is added.
const TRANSIT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(2));
/// The time until a client of a dead edge requests another one, distributed likewise.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));
/// The time within which clients of a mass departure leave.
const EXODUS: Duration = Duration::from_secs(2);
/// The number of reporting intervals after which a restarted balancer is ready at the latest.
const READY_INTERVALS: u32 = 2;
/// The number of reports after which a balancer accepts an edge (docs/protocol.md).
const ACCEPTED_AFTER: u32 = 2;

/// Simulates the scenario with this algorithm at all balancers. `visits` must be in order of time.
pub fn run(scenario: &Scenario, visits: impl Iterator<Item = Visit>, algorithm: Algorithm, seed: u64) -> Trace {
    let mut world = World::new(scenario, algorithm, seed);
    let mut visits = visits.take_while(|visit| visit.at <= scenario.end).peekable();
    loop {
        let next = world.queue.next_at();
        if let Some(visit) = visits.next_if(|visit| next.is_none_or(|at| visit.at <= at)) {
            world.request(&visit);
            continue;
        }
        match world.queue.pop() {
            Some((at, event)) if at <= scenario.end => world.handle(at, event),
            _ => return world.trace,
        }
    }
}

enum Event {
    Connect(usize),
    Leave(usize),
    Return(Visit),
    Send(usize),
    Deliver { balancer: usize, edge: usize, report: Rc<Report<'static>> },
    Tick,
    Incident(Incident),
}

struct World<'a> {
    scenario: &'a Scenario,
    algorithm: Algorithm,
    servers: Vec<Server>,
    balancers: Vec<Balancer>,
    sessions: Vec<Session>,
    queue: Queue<Event>,
    network: Chance,
    clients: Chance,
    choices: Chance,
    streams: Streams,
    trace: Trace,
    assigned: u64,
    assigned_to_subject: u64,
}

struct Balancer {
    picker: Box<dyn Picker>,
    /// The number of reports received from each edge.
    received: Vec<u32>,
    /// The time of its start, while it is not ready.
    starting: Option<Time>,
}

/// A client that was assigned to an edge.
struct Session {
    edge: usize,
    balancer: usize,
    stay: Duration,
    bits_per_second: u64,
    stream: Option<usize>,
    is_connected: bool,
}

/// The watched streams, and the number of their copies on edges.
struct Streams {
    viewers: Vec<u32>,
    watched: u64,
    copies: u64,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, algorithm: Algorithm, seed: u64) -> Self {
        let new = |capacity: &u64| Server::new(*capacity, scenario.unit, scenario.crowd.streams);
        let subject = scenario.incident.and_then(|(_, incident)| incident.edge());
        let capacity: u64 = scenario.capacities.iter().sum();
        let mut world = Self {
            scenario,
            algorithm,
            servers: scenario.capacities.iter().map(new).collect(),
            balancers: scenario.crowd.shares.iter().map(|_| Balancer::new(scenario, algorithm, Time::ORIGIN)).collect(),
            sessions: Vec::new(),
            queue: Queue::new(),
            network: Chance::new(seed, 1),
            clients: Chance::new(seed, 2),
            choices: Chance::new(seed, 3),
            streams: Streams { viewers: vec![0; scenario.crowd.streams], watched: 0, copies: 0 },
            trace: Trace {
                samples: Vec::new(),
                measured_from: scenario.measured_from,
                fair_share: subject.map_or(1.0, |edge| scenario.capacities[edge] as f64 / capacity as f64),
                lost: 0,
                refused: 0,
            },
            assigned: 0,
            assigned_to_subject: 0,
        };
        world.populate();
        world.introduce();
        world
    }

    /// Fills the edges up to the level at which the scenario begins.
    fn populate(&mut self) {
        if let Some((at, incident)) = self.scenario.incident {
            self.queue.push(at, Event::Incident(incident));
            if let Incident::Joins(edge) = incident {
                self.servers[edge].is_up = false;
            }
        }
        let crowd = &self.scenario.crowd;
        for edge in 0..self.servers.len() {
            let load = if self.servers[edge].is_up { self.scenario.level } else { 0.0 };
            let load = (load * self.servers[edge].capacity as f64) as u64;
            while self.servers[edge].load() < load {
                let bits_per_second = crowd.bits_per_second(&mut self.clients);
                let balancer = self.clients.one_of(crowd.shares.iter().copied());
                let rest = crowd.rest_of_stay(&mut self.clients);
                let session =
                    Session { edge, balancer, stay: rest, bits_per_second, stream: None, is_connected: false };
                self.sessions.push(session);
                self.enter(self.sessions.len() - 1, Time::ORIGIN);
            }
        }
    }

    /// Lets balancers discover all edges before the scenario begins, and schedules the reports of the edges.
    fn introduce(&mut self) {
        let interval = self.scenario.interval;
        for edge in (0..self.servers.len()).filter(|edge| self.servers[*edge].is_up).collect::<Vec<_>>() {
            for report in 0..ACCEPTED_AFTER {
                let now = Time::from_micros(report.into());
                let report = self.servers[edge].report(now, interval);
                self.balancers.iter_mut().for_each(|balancer| balancer.accept(edge, &report, now));
            }
            self.queue.push(Time::ORIGIN + interval.mul_f64(self.network.share()), Event::Send(edge));
        }
        self.queue.push(Time::ORIGIN, Event::Tick);
        self.balancers.iter_mut().for_each(|balancer| balancer.picker.tick(Time::ORIGIN));
    }

    fn handle(&mut self, now: Time, event: Event) {
        match event {
            Event::Connect(session) => self.connect(session, now),
            Event::Leave(session) => self.leave(session),
            Event::Return(visit) => self.request(&visit),
            Event::Send(edge) => self.send(edge, now),
            Event::Deliver { balancer, edge, report } => self.balancers[balancer].receive(edge, &report, now),
            Event::Tick => self.tick(now),
            Event::Incident(incident) => self.incident(incident, now),
        }
    }

    /// Handles the request of a client for an edge.
    fn request(&mut self, visit: &Visit) {
        let now = visit.at;
        let balancer = self.ready_balancer(visit.balancer);
        let number = self.choices.number();
        let Some(edge) = self.balancers[balancer].picker.pick(visit, &self.servers, number, now) else {
            self.trace.refused += 1;
            return;
        };
        self.assigned += 1;
        if self.scenario.incident.and_then(|(_, incident)| incident.edge()) == Some(edge) {
            self.assigned_to_subject += 1;
        }
        self.trace.lost += u64::from(!self.servers[edge].is_up);
        if let Some(travel) = visit.travel {
            let server = &mut self.servers[edge];
            server.on_the_way += server.share_of(visit.bits_per_second);
            let Visit { balancer, stay, bits_per_second, stream, .. } = *visit;
            self.sessions.push(Session { edge, balancer, stay, bits_per_second, stream, is_connected: false });
            self.queue.push(now + travel, Event::Connect(self.sessions.len() - 1));
        }
    }

    /// Returns the balancer if it is ready, or else another one that is.
    fn ready_balancer(&mut self, preferred: usize) -> usize {
        let ready = |balancer: &usize| self.balancers[*balancer].starting.is_none();
        if ready(&preferred) {
            return preferred;
        }
        let others: Vec<usize> = (0..self.balancers.len()).filter(ready).collect();
        if others.is_empty() { preferred } else { others[self.choices.below(others.len())] }
    }

    fn connect(&mut self, index: usize, now: Time) {
        let session = &self.sessions[index];
        let server = &mut self.servers[session.edge];
        server.on_the_way -= server.share_of(session.bits_per_second);
        if server.is_up { self.enter(index, now) } else { self.come_back(index, now) }
    }

    fn enter(&mut self, index: usize, now: Time) {
        let session = &mut self.sessions[index];
        session.is_connected = true;
        let is_copy = self.servers[session.edge].enter(session.bits_per_second, session.stream);
        self.streams.enter(session.stream, is_copy);
        let until = now + session.stay;
        if until <= self.scenario.end {
            self.queue.push(until, Event::Leave(index));
        }
    }

    fn leave(&mut self, index: usize) {
        let session = &mut self.sessions[index];
        // The session may have ended early, in a mass departure.
        if std::mem::take(&mut session.is_connected) {
            let was_copy = self.servers[session.edge].leave(session.bits_per_second, session.stream);
            self.streams.leave(session.stream, was_copy);
        }
    }

    /// Lets a client of a dead edge request another one, a little later.
    fn come_back(&mut self, index: usize, now: Time) {
        let at = now + RECONNECT.0 + self.clients.exponential(RECONNECT.1);
        let Session { balancer, stay, bits_per_second, stream, .. } = self.sessions[index];
        let (least, beyond) = self.scenario.crowd.travel;
        let travel = Some(least + self.clients.exponential(beyond));
        self.queue.push(at, Event::Return(Visit { at, balancer, travel, stay, bits_per_second, stream }));
    }

    fn send(&mut self, edge: usize, now: Time) {
        if !self.servers[edge].is_up {
            return;
        }
        let report = Rc::new(self.servers[edge].report(now, self.scenario.interval));
        for balancer in 0..self.balancers.len() {
            let transit = TRANSIT.0 + self.network.exponential(TRANSIT.1);
            if !self.network.happens(self.scenario.loss) {
                self.queue.push(now + transit, Event::Deliver { balancer, edge, report: Rc::clone(&report) });
            }
        }
        let varied = 1.0 + self.scenario.jitter * (2.0 * self.network.share() - 1.0);
        self.queue.push(now + self.scenario.interval.mul_f64(varied), Event::Send(edge));
    }

    fn tick(&mut self, now: Time) {
        for balancer in &mut self.balancers {
            balancer.picker.tick(now);
            balancer.update_readiness(now, self.scenario.interval, &self.servers);
        }
        let sample = self.sample(now);
        self.trace.samples.push(sample);
        self.queue.push(now + TICK, Event::Tick);
    }

    fn sample(&mut self, at: Time) -> Sample {
        let up = || self.servers.iter().filter(|server| server.is_up);
        let utilisations = || up().map(|server| server.load() as f64 / server.capacity as f64);
        let mean = match self.scenario.mean {
            Mean::OfFleet => {
                up().map(Server::load).sum::<u64>() as f64 / up().map(|server| server.capacity).sum::<u64>() as f64
            }
            Mean::OverEdges => utilisations().sum::<f64>() / up().count() as f64,
        };
        Sample {
            at,
            mean,
            highest: utilisations().fold(0.0, f64::max),
            lowest: utilisations().fold(f64::INFINITY, f64::min),
            assigned: std::mem::take(&mut self.assigned),
            assigned_to_subject: std::mem::take(&mut self.assigned_to_subject),
            copies: self.streams.copies as f64 / self.streams.watched.max(1) as f64,
        }
    }

    fn incident(&mut self, incident: Incident, now: Time) {
        match incident {
            Incident::Joins(edge) => {
                self.servers[edge].is_up = true;
                self.send(edge, now);
            }
            Incident::Dies(edge) => {
                self.servers[edge].is_up = false;
                for index in self.connected(|session| session.edge == edge) {
                    self.leave(index);
                    self.come_back(index, now);
                }
            }
            Incident::Restarts(balancer) => {
                self.balancers[balancer] =
                    Balancer { starting: Some(now), ..Balancer::new(self.scenario, self.algorithm, now) };
            }
            Incident::HalfLeave => {
                for index in self.connected(|_| true) {
                    if self.clients.happens(0.5) {
                        self.queue.push(now + EXODUS.mul_f64(self.clients.share()), Event::Leave(index));
                    }
                }
            }
        }
    }

    fn connected(&self, filter: impl Fn(&Session) -> bool) -> Vec<usize> {
        let sessions = self.sessions.iter().enumerate();
        sessions.filter(|(_, session)| session.is_connected && filter(session)).map(|(index, _)| index).collect()
    }
}

impl Balancer {
    fn new(scenario: &Scenario, algorithm: Algorithm, now: Time) -> Self {
        let received = vec![0; scenario.capacities.len()];
        Self { picker: algorithm.picker(scenario, now), received, starting: None }
    }

    /// Applies a report of an edge that is accepted at once, as at the beginning of a scenario.
    fn accept(&mut self, edge: usize, report: &Report<'_>, now: Time) {
        self.received[edge] = ACCEPTED_AFTER;
        self.picker.apply(edge, report, now);
    }

    /// Applies a report, unless it is the first one of the edge.
    fn receive(&mut self, edge: usize, report: &Report<'_>, now: Time) {
        self.received[edge] += 1;
        if self.received[edge] >= ACCEPTED_AFTER {
            self.picker.apply(edge, report, now);
        }
    }

    /// Updates whether the balancer is ready.
    fn update_readiness(&mut self, now: Time, interval: Duration, servers: &[Server]) {
        let has_all =
            || self.received.iter().zip(servers).all(|(received, server)| *received >= ACCEPTED_AFTER || !server.is_up);
        if self.starting.is_some_and(|since| now - since >= READY_INTERVALS * interval || has_all()) {
            self.starting = None;
        }
    }
}

impl Streams {
    fn enter(&mut self, stream: Option<usize>, is_copy: bool) {
        if let Some(stream) = stream {
            self.viewers[stream] += 1;
            self.watched += u64::from(self.viewers[stream] == 1);
            self.copies += u64::from(is_copy);
        }
    }

    fn leave(&mut self, stream: Option<usize>, was_copy: bool) {
        if let Some(stream) = stream {
            self.viewers[stream] -= 1;
            self.watched -= u64::from(self.viewers[stream] == 0);
            self.copies -= u64::from(was_copy);
        }
    }
}
