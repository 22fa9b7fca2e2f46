// Package qdrantlocal is an in-process server for the part of Qdrant's gRPC
// API that the rag service uses. It is reached through the ordinary Qdrant
// client over an in-memory connection, so the code above it is the same
// whether it talks to this package or to a Qdrant cluster.
//
// What it keeps: collections with named sparse vectors (with the IDF modifier)
// and named dense vectors (exact cosine or dot scan), payload filters, and
// durability through an append-only log per collection. What it does not
// implement answers Unimplemented, never a guess.
package qdrantlocal
