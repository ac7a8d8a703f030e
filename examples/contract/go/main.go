// Have tests written for a module, and react when they are there: with nothing but nats.go.
//
//	NATS_URL=nats://… go run . PROJECT src/shop/pricing.py shop.pricing src
//
// The arguments are the project's folder, the module's file in it, its import path, and the folder in it that goes on
// `sys.path` ("." for the project itself). The messages are described in schemas/asyncapi.json.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

type target struct {
	Module     string `json:"module"`
	Path       string `json:"path"`
	ImportRoot string `json:"import_root"`
}

type task struct {
	TaskID string `json:"task_id"`
	Target target `json:"target"`
}

type snapshot struct {
	Digest string `json:"digest"`
	Size   int    `json:"size"`
	Files  int    `json:"files"`
}

// What is left out has a default.
type policy struct {
	Engines  []string `json:"engines"`
	Coverage float64  `json:"coverage"`
	Mutants  bool     `json:"mutants"`
}

type submitJob struct {
	Type        string    `json:"type"`
	Namespace   string    `json:"namespace"`
	JobID       string    `json:"job_id"`
	Tasks       []task    `json:"tasks"`
	Snapshot    snapshot  `json:"snapshot"`
	Policy      policy    `json:"policy"`
	SubmittedAt time.Time `json:"submitted_at"`
}

type jobEvent struct {
	Type   string `json:"type"`
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

type taskFinished struct {
	Outcome string `json:"outcome"`
	Files   []struct {
		Name   string `json:"name"`
		Digest string `json:"digest"`
	} `json:"files"`
	Tests []struct {
		Verdict string `json:"verdict"`
	} `json:"tests"`
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: contract PROJECT FILE MODULE IMPORT-ROOT")
	}
	if err := run(context.Background(), os.Args[1], target{os.Args[3], os.Args[2], os.Args[4]}); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, project string, module target) error {
	namespace := or(os.Getenv("TESTWRIGHT_NAMESPACE"), "default")
	connection, err := nats.Connect(or(os.Getenv("NATS_URL"), nats.DefaultURL))
	if err != nil {
		return err
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}

	// Ids are yours to choose: letters, digits, "-" and "_". Sending a job twice under one id does it once.
	jobID, taskID := "job-"+strings.ToLower(rand.Text()), "task-"+strings.ToLower(rand.Text())

	// Listen before you ask, and nothing can be missed. An ordered consumer reads the stream, so it survives reconnects.
	consumer, err := js.OrderedConsumer(ctx, "TESTWRIGHT_EVENTS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{fmt.Sprintf("testwright.event.%s.job.%s.*", namespace, jobID)},
	})
	if err != nil {
		return err
	}
	events, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer events.Stop()

	sources, err := put(ctx, js, namespace, project)
	if err != nil {
		return err
	}
	command, err := json.Marshal(submitJob{
		Type:        "submit-job",
		Namespace:   namespace,
		JobID:       jobID,
		Tasks:       []task{{taskID, module}},
		Snapshot:    sources,
		Policy:      policy{strings.Split(or(os.Getenv("ENGINES"), "pynguin,ghostwriter"), ","), 80, false},
		SubmittedAt: time.Now().UTC(),
	})
	if err != nil {
		return err
	}
	// The server's answer says that the command is stored: from here on it is done, whatever becomes of this process.
	subject := fmt.Sprintf("testwright.command.%s.submit", namespace)
	id := fmt.Sprintf("%s/job/%s/submit", namespace, jobID)
	if _, err := js.Publish(ctx, subject, command, jetstream.WithMsgID(id)); err != nil {
		return err
	}
	fmt.Println("submitted", jobID)

	for finished := false; !finished; {
		message, err := events.Next()
		if err != nil {
			return err
		}
		var event jobEvent
		if err := json.Unmarshal(message.Data(), &event); err != nil {
			return err
		}
		if event.Type == "job-rejected" {
			return fmt.Errorf("rejected: %s %s", event.Field, event.Reason)
		}
		finished = event.Type == "job-finished"
	}
	return collect(ctx, js, namespace, taskID)
}

// entryOf returns the subject of what makes an object known.
//
// Contents are laid out as in any object store, with the namespace as one more token of each subject: the server holds a
// client of one namespace to it. What client libraries call "put" and "get" knows no such token.
func entryOf(bucket, namespace, name string) string {
	return fmt.Sprintf("$O.%s.M.%s.%s", bucket, namespace, base64.URLEncoding.EncodeToString([]byte(name)))
}

// put stores a project as a gzipped tar of regular files under the digest of its content: in chunks, then what makes
// them known.
func put(ctx context.Context, js jetstream.JetStream, namespace, project string) (snapshot, error) {
	const bucket, step = "testwright-snapshots", 512 * 1024
	data, files, err := pack(project)
	if err != nil {
		return snapshot{}, err
	}
	sum := sha256.Sum256(data)
	stored := snapshot{hex.EncodeToString(sum[:]), len(data), files}
	entry := entryOf(bucket, namespace, stored.Digest)
	stream, err := js.Stream(ctx, "OBJ_"+bucket)
	if err != nil {
		return stored, err
	}
	if _, err = stream.GetLastMsgForSubject(ctx, entry); !errors.Is(err, jetstream.ErrMsgNotFound) {
		return stored, err
	}
	nuid, chunks := strings.ToLower(rand.Text()), 0
	for start := 0; start < len(data); start += step {
		chunk := data[start:min(start+step, len(data))]
		if _, err := js.Publish(ctx, "$O."+bucket+".C."+namespace+"."+nuid, chunk); err != nil {
			return stored, err
		}
		chunks++
	}
	about, err := json.Marshal(map[string]any{
		"name": stored.Digest, "bucket": bucket, "nuid": nuid, "size": len(data), "chunks": chunks,
		"digest": "SHA-256=" + base64.URLEncoding.EncodeToString(sum[:]),
	})
	if err != nil {
		return stored, err
	}
	_, err = js.Publish(ctx, entry, about)
	return stored, err
}

// fetch returns a file by the digest of its content.
func fetch(ctx context.Context, js jetstream.JetStream, namespace, name string) ([]byte, error) {
	const bucket = "testwright-artifacts"
	stream, err := js.Stream(ctx, "OBJ_"+bucket)
	if err != nil {
		return nil, err
	}
	last, err := stream.GetLastMsgForSubject(ctx, entryOf(bucket, namespace, name))
	if err != nil {
		return nil, err
	}
	var about struct {
		NUID   string `json:"nuid"`
		Chunks int    `json:"chunks"`
	}
	if err := json.Unmarshal(last.Data, &about); err != nil {
		return nil, err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"$O." + bucket + ".C." + namespace + "." + about.NUID},
	})
	if err != nil {
		return nil, err
	}
	var content []byte
	for range about.Chunks {
		chunk, err := consumer.Next()
		if err != nil {
			return nil, err
		}
		content = append(content, chunk.Data()...)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != name {
		return nil, fmt.Errorf("%s has been changed", name)
	}
	return content, nil
}

func pack(project string) ([]byte, int, error) {
	var packed bytes.Buffer
	compressed := gzip.NewWriter(&packed)
	archive := tar.NewWriter(compressed)
	count := 0
	err := filepath.WalkDir(project, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(project, path)
		wanted := strings.HasSuffix(name, ".py") || strings.HasSuffix(name, ".toml")
		if err != nil || !entry.Type().IsRegular() || !wanted {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: filepath.ToSlash(name), Size: int64(len(content)), Mode: 0o644}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		count++
		_, err = archive.Write(content)
		return err
	})
	err = errors.Join(err, archive.Close(), compressed.Close())
	return packed.Bytes(), count, err
}

// collect writes what a task has ended with: one message, the last on its subject.
func collect(ctx context.Context, js jetstream.JetStream, namespace, taskID string) error {
	stream, err := js.Stream(ctx, "TESTWRIGHT_EVENTS")
	if err != nil {
		return err
	}
	last, err := stream.GetLastMsgForSubject(ctx, fmt.Sprintf("testwright.event.%s.task.%s.finished", namespace, taskID))
	if err != nil {
		return err
	}
	var result taskFinished
	if err := json.Unmarshal(last.Data, &result); err != nil {
		return err
	}
	kept := 0
	for _, test := range result.Tests {
		if test.Verdict == "kept" {
			kept++
		}
	}
	fmt.Println("finished", result.Outcome, kept, "tests kept")
	for _, file := range result.Files {
		content, err := fetch(ctx, js, namespace, file.Digest)
		if err != nil {
			return err
		}
		name := filepath.Base(file.Name)
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
		fmt.Println("wrote", name)
	}
	if result.Outcome != "completed" {
		return fmt.Errorf("the task has %s", result.Outcome)
	}
	return nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
