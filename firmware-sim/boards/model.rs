//! The model of a board: inside the program, or in a separate region of flash.

use ganlet_runtime::Model;
use ganlet_sim::{Board, SavedLatents, Session};

#[cfg(not(region))]
mod place {
    use ganlet_runtime::{arena_len, include_model};

    static MODEL: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/generator.model"));
    pub(crate) const ARENA: usize = arena_len(MODEL);
    /// Saved latents, built in with the model.
    pub(crate) const SAVED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/generator.latents"));

    /// Returns the model that was built in.
    pub(crate) fn bytes() -> &'static [u8] {
        MODEL
    }
}

#[cfg(region)]
mod place {
    use ganlet_runtime::Model;

    include!(concat!(env!("OUT_DIR"), "/place.rs"));

    /// No saved latents: they belong to one model, and the region may hold any model.
    pub(crate) const SAVED: &[u8] = &[];

    /// Returns the model in the region, or the whole region if it does not begin with a model. The address is a multiple of four.
    pub(crate) fn bytes() -> &'static [u8] {
        // SAFETY: the region is flash after the program. Nothing writes to it while the program runs, and any bytes are valid.
        let region = unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance::<u8>(AT), BYTES) };
        // The region is longer than the model, whose length is in its first bytes.
        Model::stated_len(region).and_then(|len| region.get(..len)).unwrap_or(region)
    }
}

/// Bytes of RAM for the arena: the size of the built-in model's, or the size reserved for any model.
pub(crate) const ARENA: usize = place::ARENA;

/// Runs the app with the model forever. If the model cannot run, the panel shows why.
pub(crate) fn show<B: Board>(board: &mut B, arena: &mut [u8]) -> ! {
    let model = Model::from_bytes(place::bytes());
    let session = match &model {
        Ok(model) => Session::start_in(board, model, arena, SavedLatents::new(place::SAVED)),
        // A built-in model was checked at build time.
        Err(_) if cfg!(not(region)) => panic!("the model is damaged"),
        Err(error) => Session::notice(board, format_args!("no model: {error}")),
    };
    let Ok(mut session) = session else { panic!("the panel's driver failed") };
    while session.poll(board).is_ok() {}
    panic!("the panel's driver failed")
}
