//! What comes of a scenario, event by event.

use std::rc::Rc;
use std::time::Duration;

use weir_fleet::Time;
use weir_protocol::Report;

use crate::selection::chance::Chance;
use crate::selection::policies::{Contender, Policy};
use crate::selection::queue::Queue;
use crate::selection::scenario::{Incident, Scenario};
use crate::selection::servers::Server;
use crate::selection::trace::{Mean, Sample, Trace};
use crate::selection::visits::Visit;

/// Between two looks of a balancer at its fleet, and of ours at the edges.
const TICK: Duration = Duration::from_millis(100);
/// What a datagram takes: at least so long, and exponentially longer.
const TRANSIT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(2));
/// What a client takes to notice that its edge is dead, and to ask again.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));
/// Those who leave together do so within this time.
const EXODUS: Duration = Duration::from_secs(2);
/// A balancer is ready after so many intervals at the latest.
const READY_INTERVALS: u32 = 2;
/// A report announces an edge, the next one makes it known (docs/protocol.md).
const BELIEVED_REPORTS: u32 = 2;

/// Runs the scenario with balancers of this kind. `visits` are in order of time.
pub fn run(scenario: &Scenario, visits: impl Iterator<Item = Visit>, contender: Contender, seed: u64) -> Trace {
    let mut world = World::new(scenario, contender, seed);
    let mut visits = visits.take_while(|visit| visit.at <= scenario.end).peekable();
    loop {
        let next = world.queue.next_at();
        if let Some(visit) = visits.next_if(|visit| next.is_none_or(|at| visit.at <= at)) {
            world.ask(&visit);
            continue;
        }
        match world.queue.take() {
            Some((at, event)) if at <= scenario.end => world.happen(at, event),
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
    contender: Contender,
    servers: Vec<Server>,
    balancers: Vec<Balancer>,
    sessions: Vec<Session>,
    queue: Queue<Event>,
    network: Chance,
    clients: Chance,
    luck: Chance,
    streams: Streams,
    trace: Trace,
    handed_out: u64,
    to_subject: u64,
}

struct Balancer {
    policy: Box<dyn Policy>,
    /// Reports heard of each edge.
    heard: Vec<u32>,
    /// When it started, while it is not ready.
    starting: Option<Time>,
}

/// A client that was given an edge.
struct Session {
    edge: usize,
    balancer: usize,
    stay: Duration,
    bits_per_second: u64,
    stream: Option<usize>,
    is_there: bool,
}

/// Which streams are watched, and on how many edges.
struct Streams {
    viewers: Vec<u32>,
    watched: u64,
    copies: u64,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, contender: Contender, seed: u64) -> Self {
        let new = |capacity: &u64| Server::new(*capacity, scenario.unit, scenario.crowd.streams);
        let subject = scenario.incident.and_then(|(_, incident)| incident.edge());
        let capacity: u64 = scenario.capacities.iter().sum();
        let mut world = Self {
            scenario,
            contender,
            servers: scenario.capacities.iter().map(new).collect(),
            balancers: scenario.crowd.shares.iter().map(|_| Balancer::new(scenario, contender, Time::ORIGIN)).collect(),
            sessions: Vec::new(),
            queue: Queue::new(),
            network: Chance::new(seed, 1),
            clients: Chance::new(seed, 2),
            luck: Chance::new(seed, 3),
            streams: Streams { viewers: vec![0; scenario.crowd.streams], watched: 0, copies: 0 },
            trace: Trace {
                samples: Vec::new(),
                measured_from: scenario.measured_from,
                fair_share: subject.map_or(1.0, |edge| scenario.capacities[edge] as f64 / capacity as f64),
                lost: 0,
                refused: 0,
            },
            handed_out: 0,
            to_subject: 0,
        };
        world.populate();
        world.introduce();
        world
    }

    /// Fills the edges up to the level at which the scenario begins.
    fn populate(&mut self) {
        if let Some((at, incident)) = self.scenario.incident {
            self.queue.put(at, Event::Incident(incident));
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
                let session = Session { edge, balancer, stay: rest, bits_per_second, stream: None, is_there: false };
                self.sessions.push(session);
                self.enter(self.sessions.len() - 1, Time::ORIGIN);
            }
        }
    }

    /// Balancers know every edge when the scenario begins, and edges report at any time.
    fn introduce(&mut self) {
        let interval = self.scenario.interval;
        for edge in (0..self.servers.len()).filter(|edge| self.servers[*edge].is_up).collect::<Vec<_>>() {
            for report in 0..BELIEVED_REPORTS {
                let now = Time::from_micros(report.into());
                let report = self.servers[edge].report(now, interval);
                self.balancers.iter_mut().for_each(|balancer| balancer.know(edge, &report, now));
            }
            self.queue.put(Time::ORIGIN + interval.mul_f64(self.network.share()), Event::Send(edge));
        }
        self.queue.put(Time::ORIGIN, Event::Tick);
        self.balancers.iter_mut().for_each(|balancer| balancer.policy.tick(Time::ORIGIN));
    }

    fn happen(&mut self, now: Time, event: Event) {
        match event {
            Event::Connect(session) => self.connect(session, now),
            Event::Leave(session) => self.leave(session),
            Event::Return(visit) => self.ask(&visit),
            Event::Send(edge) => self.send(edge, now),
            Event::Deliver { balancer, edge, report } => self.balancers[balancer].hear(edge, &report, now),
            Event::Tick => self.tick(now),
            Event::Incident(incident) => self.incident(incident, now),
        }
    }

    /// A client asks for an edge.
    fn ask(&mut self, visit: &Visit) {
        let now = visit.at;
        let balancer = self.ready_balancer(visit.balancer);
        let number = self.luck.number();
        let Some(edge) = self.balancers[balancer].policy.pick(visit, &self.servers, number, now) else {
            self.trace.refused += 1;
            return;
        };
        self.handed_out += 1;
        if self.scenario.incident.and_then(|(_, incident)| incident.edge()) == Some(edge) {
            self.to_subject += 1;
        }
        self.trace.lost += u64::from(!self.servers[edge].is_up);
        if let Some(travel) = visit.travel {
            let server = &mut self.servers[edge];
            server.on_the_way += server.share_of(visit.bits_per_second);
            let Visit { balancer, stay, bits_per_second, stream, .. } = *visit;
            self.sessions.push(Session { edge, balancer, stay, bits_per_second, stream, is_there: false });
            self.queue.put(now + travel, Event::Connect(self.sessions.len() - 1));
        }
    }

    /// Who asks a balancer that is not ready is sent to another.
    fn ready_balancer(&mut self, wanted: usize) -> usize {
        let ready = |balancer: &usize| self.balancers[*balancer].starting.is_none();
        if ready(&wanted) {
            return wanted;
        }
        let others: Vec<usize> = (0..self.balancers.len()).filter(ready).collect();
        if others.is_empty() { wanted } else { others[self.luck.below(others.len())] }
    }

    fn connect(&mut self, index: usize, now: Time) {
        let session = &self.sessions[index];
        let server = &mut self.servers[session.edge];
        server.on_the_way -= server.share_of(session.bits_per_second);
        if server.is_up { self.enter(index, now) } else { self.come_back(index, now) }
    }

    fn enter(&mut self, index: usize, now: Time) {
        let session = &mut self.sessions[index];
        session.is_there = true;
        let is_copy = self.servers[session.edge].enter(session.bits_per_second, session.stream);
        self.streams.enter(session.stream, is_copy);
        let until = now + session.stay;
        if until <= self.scenario.end {
            self.queue.put(until, Event::Leave(index));
        }
    }

    fn leave(&mut self, index: usize) {
        let session = &mut self.sessions[index];
        // Some leave earlier than they meant to.
        if std::mem::take(&mut session.is_there) {
            let was_copy = self.servers[session.edge].leave(session.bits_per_second, session.stream);
            self.streams.leave(session.stream, was_copy);
        }
    }

    /// A client whose edge is dead notices, and asks again.
    fn come_back(&mut self, index: usize, now: Time) {
        let at = now + RECONNECT.0 + self.clients.exponential(RECONNECT.1);
        let Session { balancer, stay, bits_per_second, stream, .. } = self.sessions[index];
        let (least, beyond) = self.scenario.crowd.travel;
        let travel = Some(least + self.clients.exponential(beyond));
        self.queue.put(at, Event::Return(Visit { at, balancer, travel, stay, bits_per_second, stream }));
    }

    fn send(&mut self, edge: usize, now: Time) {
        if !self.servers[edge].is_up {
            return;
        }
        let report = Rc::new(self.servers[edge].report(now, self.scenario.interval));
        for balancer in 0..self.balancers.len() {
            let transit = TRANSIT.0 + self.network.exponential(TRANSIT.1);
            if !self.network.happens(self.scenario.loss) {
                self.queue.put(now + transit, Event::Deliver { balancer, edge, report: Rc::clone(&report) });
            }
        }
        let varied = 1.0 + self.scenario.jitter * (2.0 * self.network.share() - 1.0);
        self.queue.put(now + self.scenario.interval.mul_f64(varied), Event::Send(edge));
    }

    fn tick(&mut self, now: Time) {
        for balancer in &mut self.balancers {
            balancer.policy.tick(now);
            balancer.settle(now, self.scenario.interval, &self.servers);
        }
        let sample = self.sample(now);
        self.trace.samples.push(sample);
        self.queue.put(now + TICK, Event::Tick);
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
            handed_out: std::mem::take(&mut self.handed_out),
            to_subject: std::mem::take(&mut self.to_subject),
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
                for index in self.present(|session| session.edge == edge) {
                    self.leave(index);
                    self.come_back(index, now);
                }
            }
            Incident::Restarts(balancer) => {
                self.balancers[balancer] =
                    Balancer { starting: Some(now), ..Balancer::new(self.scenario, self.contender, now) };
            }
            Incident::HalfLeave => {
                for index in self.present(|_| true) {
                    if self.clients.happens(0.5) {
                        self.queue.put(now + EXODUS.mul_f64(self.clients.share()), Event::Leave(index));
                    }
                }
            }
        }
    }

    fn present(&self, wanted: impl Fn(&Session) -> bool) -> Vec<usize> {
        let sessions = self.sessions.iter().enumerate();
        sessions.filter(|(_, session)| session.is_there && wanted(session)).map(|(index, _)| index).collect()
    }
}

impl Balancer {
    fn new(scenario: &Scenario, contender: Contender, now: Time) -> Self {
        let heard = vec![0; scenario.capacities.len()];
        Self { policy: contender.policy(scenario, now), heard, starting: None }
    }

    /// Takes in a report, as at the beginning.
    fn know(&mut self, edge: usize, report: &Report<'_>, now: Time) {
        self.heard[edge] = BELIEVED_REPORTS;
        self.policy.hear(edge, report, now);
    }

    /// Takes in a report, unless it is the first one of the edge.
    fn hear(&mut self, edge: usize, report: &Report<'_>, now: Time) {
        self.heard[edge] += 1;
        if self.heard[edge] >= BELIEVED_REPORTS {
            self.policy.hear(edge, report, now);
        }
    }

    /// Whether it is ready by now.
    fn settle(&mut self, now: Time, interval: Duration, servers: &[Server]) {
        let knows_all =
            || self.heard.iter().zip(servers).all(|(heard, server)| *heard >= BELIEVED_REPORTS || !server.is_up);
        if self.starting.is_some_and(|since| now - since >= READY_INTERVALS * interval || knows_all()) {
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
