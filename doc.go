// Package evenkeel is the root of the program; tour_test.go holds its packages in
// reading order. Start with journal, end with app.
package evenkeel
