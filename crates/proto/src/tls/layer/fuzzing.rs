//! What fuzzing needs of a layer and nothing else does. No setting leads here.

use std::sync::Arc;

use rustls::{ClientConfig, KeyLog, ServerConfig};

use super::{Connection, Kind, Layer};
use crate::tls::{RecordLayer, Slot, TlsFailure};

impl Layer {
    /// A server's side with any configuration of rustls.
    pub fn with_server_config(mut config: ServerConfig, layer: RecordLayer) -> Result<Self, TlsFailure> {
        let tap = layer.tap();
        if let Some(tap) = &tap {
            config.key_log = Arc::clone(tap) as Arc<dyn KeyLog>;
            config.enable_secret_extraction = true;
        }
        Ok(Layer(Kind::Rustls(Box::new(Connection::server(Arc::new(config), tap)?))))
    }

    /// A client's side with any configuration of rustls.
    pub fn with_client_config(mut config: ClientConfig, layer: RecordLayer) -> Result<Self, TlsFailure> {
        let tap = layer.tap();
        if let Some(tap) = &tap {
            config.key_log = Arc::clone(tap) as Arc<dyn KeyLog>;
            config.enable_secret_extraction = true;
        }
        Ok(Layer(Kind::Rustls(Box::new(Connection::client(Arc::new(config), tap)?))))
    }

    /// As if a handshake of the same kind had just left these traffic secrets: of the compact layer alone, and much
    /// cheaper than a handshake.
    pub fn restart(&mut self, opening: &[u8], sealing: &[u8]) -> Result<(), TlsFailure> {
        let Kind::Compact(compact) = &mut self.0 else { return Err(TlsFailure::new("no compact layer")) };
        compact.restart(opening, sealing).map_err(|_| TlsFailure::new("secrets of another suite"))
    }

    /// As if the compact layer's sealing key had sealed `sequence` records.
    pub fn wear(&mut self, sequence: u64) -> Result<(), TlsFailure> {
        self.reduce()?;
        match &mut self.0 {
            Kind::Compact(compact) => compact.wear(sequence),
            _ => return Err(TlsFailure::new("no compact layer")),
        }
        Ok(())
    }

    /// A KeyUpdate of the compact layer at the end of `sealed`, as when its key is worn out.
    pub fn refresh(&mut self, slot: &mut Slot, sealed: &mut Vec<u8>) -> Result<(), TlsFailure> {
        self.reduce()?;
        match &mut self.0 {
            Kind::Compact(compact) => compact.refresh(slot, sealed),
            _ => Err(TlsFailure::new("no compact layer")),
        }
    }
}
