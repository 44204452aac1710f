package shop

import (
	"hash/fnv"
	"image"
	"image/color"
	"sync"
)

// receiptSide is the side of a receipt's code, in pixels: an image of 100 KiB.
const receiptSide = 160

// drawReceipt draws the code that the shops' scanners read from a receipt.
func drawReceipt(order string) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, receiptSide, receiptSide))
	h := fnv.New64a()
	_, _ = h.Write([]byte(order))
	bits := h.Sum64()
	for y := 0; y < receiptSide; y += 8 {
		for x := 0; x < receiptSide; x += 8 {
			bits ^= bits << 13
			bits ^= bits >> 7
			bits ^= bits << 17
			shade := color.RGBA{A: 255}
			if bits&1 == 0 {
				shade = color.RGBA{255, 255, 255, 255}
			}
			for dy := range 8 {
				for dx := range 8 {
					img.SetRGBA(x+dx, y+dy, shade)
				}
			}
		}
	}
	return img
}

// receiptShelf is release 1.4.2: each order's receipt is drawn and kept, and
// nobody ever takes one away. limit, in bytes of images, is the demo's own
// bound, so that the leak cannot harm the machine.
type receiptShelf struct {
	limit int64

	mu   sync.Mutex
	kept map[string]*image.RGBA
	size int64
}

func newReceiptShelf(limit int64) *receiptShelf {
	return &receiptShelf{limit: limit, kept: map[string]*image.RGBA{}}
}

func (s *receiptShelf) keep(order string) {
	img := drawReceipt(order)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size+int64(len(img.Pix)) <= s.limit {
		s.kept[order] = img
		s.size += int64(len(img.Pix))
	}
}

func (s *receiptShelf) get(order string) *image.RGBA {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[order]
}
