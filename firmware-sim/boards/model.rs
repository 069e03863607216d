//! The model of a board: inside the program, or in a region of flash that is written by itself.

use ganlet_runtime::Model;
use ganlet_sim::{Board, SavedLatents, Session};

#[cfg(not(region))]
mod place {
    use ganlet_runtime::{arena_len, include_model};

    static MODEL: &[u8] = include_model!(concat!(env!("OUT_DIR"), "/generator.model"));
    pub(crate) const ARENA: usize = arena_len(MODEL);
    /// Latents that were built in with the model.
    pub(crate) const KEPT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/generator.latents"));

    /// The model that was built in.
    pub(crate) fn bytes() -> &'static [u8] {
        MODEL
    }
}

#[cfg(region)]
mod place {
    use ganlet_runtime::Model;

    include!(concat!(env!("OUT_DIR"), "/place.rs"));

    /// They would belong to one model, and here any may be.
    pub(crate) const KEPT: &[u8] = &[];

    /// The model in the region, or what else is there; the region starts at a multiple of four.
    pub(crate) fn bytes() -> &'static [u8] {
        // SAFETY: the region is flash behind the program, which nothing writes while the program runs; any bytes are valid.
        let region = unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance::<u8>(AT), BYTES) };
        // The region is longer than the model, whose length is in its first bytes.
        Model::stated_len(region).and_then(|len| region.get(..len)).unwrap_or(region)
    }
}

/// Bytes of RAM for pictures: those that the built-in model takes, or those that were set aside for any.
pub(crate) const ARENA: usize = place::ARENA;

/// Shows the model's pictures for as long as there is power; a model that cannot be shown is told on the panel.
pub(crate) fn show<B: Board>(board: &mut B, arena: &mut [u8]) -> ! {
    let model = Model::from_bytes(place::bytes());
    let session = match &model {
        Ok(model) => Session::start_in(board, model, arena, SavedLatents::new(place::KEPT)),
        // What was built in was checked before.
        Err(_) if cfg!(not(region)) => panic!("the model is damaged"),
        Err(error) => Session::notice(board, format_args!("no model: {error}")),
    };
    let Ok(mut session) = session else { panic!("the panel's driver failed") };
    while session.poll(board).is_ok() {}
    panic!("the panel's driver failed")
}
