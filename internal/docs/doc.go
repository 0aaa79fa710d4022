// Package docs holds the rules about the documentation, as tests: what it points at is there.
package docs
