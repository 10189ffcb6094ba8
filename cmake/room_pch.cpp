// Holds the precompiled headers that every room re-uses.
